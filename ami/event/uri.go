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
