package event

import "bytes"

// SplitURI splits a SIP, SIPS or tel URI, given without angle brackets, into its
// user and host. It drops the password, the port and the parameters. The user is
// nil when the URI has no '@'. The results are views of uri; ok is false when uri
// is not such a URI.
func SplitURI(uri []byte) (user, host []byte, ok bool) {
	scheme, rest, found := bytes.Cut(uri, []byte{':'})
	if !found || !isScheme(scheme) {
		return nil, nil, false
	}
	user, host, found = bytes.Cut(rest, []byte{'@'})
	if !found {
		return nil, bare(rest), true
	}
	return bare(user), bare(host), true
}

// bare cuts off what follows a user or a host: password, port, parameters.
func bare(part []byte) []byte {
	if end := bytes.IndexAny(part, ":;"); end >= 0 {
		return part[:end]
	}
	return part
}

func isScheme(v []byte) bool {
	return bytes.EqualFold(v, []byte("sip")) || bytes.EqualFold(v, []byte("sips")) || bytes.EqualFold(v, []byte("tel"))
}
