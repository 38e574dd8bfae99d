package event

import "bytes"

// SplitURI splits a SIP, SIPS or tel URI without angle brackets into its user and
// host. It drops the password, the port and the parameters. user is nil if the URI
// has no '@'; host has no brackets. The results point into uri. ok is false if uri
// is not a SIP, SIPS or tel URI.
func SplitURI(uri []byte) (user, host []byte, ok bool) {
	scheme, rest, found := bytes.Cut(uri, []byte{':'})
	if !found || !isScheme(scheme) {
		return nil, nil, false
	}
	user, host, found = bytes.Cut(rest, []byte{'@'})
	if !found {
		return nil, bareHost(rest), true
	}
	return bare(user), bareHost(host), true
}

// bareHost does the same as bare for a host, which may be an IPv6 address in
// brackets.
func bareHost(host []byte) []byte {
	if len(host) > 0 && host[0] == '[' {
		if end := bytes.IndexByte(host, ']'); end > 0 {
			return host[1:end]
		}
	}
	if end := bytes.IndexByte(host, '?'); end >= 0 {
		host = host[:end]
	}
	return bare(host)
}

// bare cuts off the password or port and the parameters.
func bare(part []byte) []byte {
	if end := bytes.IndexAny(part, ":;"); end >= 0 {
		return part[:end]
	}
	return part
}

func isScheme(v []byte) bool {
	return bytes.EqualFold(v, []byte("sip")) || bytes.EqualFold(v, []byte("sips")) || bytes.EqualFold(v, []byte("tel"))
}

// UnescapeUser returns the user part of a URI as Asterisk compares it with the names
// of accounts: "Front%20Desk" is "Front Desk". It copies only what has an escape; a '%'
// that begins none stays (main/utils.c ast_uri_decode).
func UnescapeUser(user []byte) []byte {
	if bytes.IndexByte(user, '%') < 0 {
		return user
	}
	out := make([]byte, 0, len(user))
	for i := 0; i < len(user); i++ {
		if user[i] == '%' && i+2 < len(user) {
			if high, low := hexDigit(user[i+1]), hexDigit(user[i+2]); high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, user[i])
	}
	return out
}

// hexDigit is the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
