package event

import (
	"bytes"
	"net/netip"
)

const (
	serial = 8 // digits of the number at the end of a channel's name, hexadecimal
	// callNumber is the most digits of an IAX2 call number, which is decimal and below 32768.
	callNumber = 5
)

// IAX2 is the technology of chan_iax2's channels, as in their names.
const IAX2 = "IAX2"

// SplitChannel splits the name of a phone's channel, such as
// "PJSIP/front-desk-0000002a", into technology and account. It drops the suffix
// of a masquerade ("<ZOMBIE>", "<MASQ>") and cuts at the last '-', because an
// account name may itself contain a '-'. ok is false for channels that do not
// belong to a phone (Local/, Surrogate/, Message/ …). The results point into name.
// (chan_pjsip.c chan_pjsip_new and chan_sip.c sip_new: "%s-%08x", chan_iax2.c
// ast_iax2_new: "IAX2/%s-%d", 16 to 23.)
//
// chan_sip names the channel of a caller without an account (allowguest=yes)
// after the domain in the caller's From header, which can be any text. On such a
// PBX, "SIP/1002-…" is not necessarily account 1002. chan_iax2 names the channel of
// such a caller after its address and port, or after the peer that is registered there.
func SplitChannel(name []byte) (tech, account []byte, ok bool) {
	for len(name) > 0 && name[len(name)-1] == '>' {
		i := bytes.LastIndexByte(name, '<')
		if i <= 0 {
			break
		}
		name = name[:i]
	}
	tech, rest, _ := bytes.Cut(name, []byte{'/'})
	dash := bytes.LastIndexByte(rest, '-')
	if dash < 1 || !isSerial(tech, rest[dash+1:]) {
		return nil, nil, false
	}
	return tech, rest[:dash], true
}

// isSerial reports whether a technology ends the names of its channels like this.
func isSerial(tech, end []byte) bool {
	switch string(tech) {
	case "PJSIP", "SIP":
		return len(end) == serial && !bytes.ContainsFunc(end, func(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'f') })
	case IAX2:
		return len(end) > 0 && len(end) <= callNumber && !bytes.ContainsFunc(end, func(c rune) bool { return c < '0' || c > '9' })
	}
	return false
}

// IsGuest reports whether an account of a channel is the address of a caller
// without one (chan_iax2.c iax2_getpeername).
func IsGuest(account []byte) bool {
	_, err := netip.ParseAddrPort(string(account))
	return err == nil
}
