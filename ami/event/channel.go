package event

import "bytes"

// serial is the length of the number at the end of a channel's name.
const serial = 8

// SplitChannel splits the name of a phone's channel, such as
// "PJSIP/front-desk-0000002a", into technology and account. It drops the suffix
// of a masquerade ("<ZOMBIE>", "<MASQ>") and cuts at the last '-', because an
// account name may itself contain a '-'. ok is false for channels that do not
// belong to a phone (Local/, Surrogate/, Message/ …). The results point into name.
// (chan_pjsip.c chan_pjsip_new and chan_sip.c sip_new: "%s-%08x", 16 to 23.)
//
// chan_sip names the channel of a caller without an account (allowguest=yes)
// after the domain in the caller's From header, which can be any text. On such a
// PBX, "SIP/1002-…" is not necessarily account 1002.
func SplitChannel(name []byte) (tech, account []byte, ok bool) {
	if i := bytes.IndexByte(name, '<'); i > 0 {
		name = name[:i]
	}
	tech, rest, _ := bytes.Cut(name, []byte{'/'})
	dash := len(rest) - serial - 1
	if !isPhone(tech) || dash < 1 || rest[dash] != '-' {
		return nil, nil, false
	}
	for _, c := range rest[dash+1:] {
		if !isHex(c) {
			return nil, nil, false
		}
	}
	return tech, rest[:dash], true
}

func isPhone(tech []byte) bool {
	switch string(tech) {
	case "PJSIP", "SIP":
		return true
	}
	return false
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
