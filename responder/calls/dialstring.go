package calls

import (
	"net/netip"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/numbers"
)

// peerOf splits the name of a channel into technology and the peer at the other end.
// SIP peers are named; of other technologies the peer can be a device with a number in it
// ("DAHDI/i1/0044207946000-1"), so it says nothing about who that is.
func peerOf(channel string) (tech, peer string) {
	if t, account, ok := event.SplitChannel([]byte(channel)); ok {
		return string(t), string(account)
	}
	channel, _, _ = strings.Cut(channel, "<")
	tech, peer, _ = strings.Cut(channel, "/")
	if i := strings.LastIndexByte(peer, '-'); i > 0 {
		peer = peer[:i]
	}
	return tech, peer
}

// isInternal reports whether a technology's channels lead to no device.
func isInternal(tech string) bool {
	switch tech {
	case "Local", "AsyncGoto", "Surrogate", "Bridge", "CBAnn", "CBRec", "Announcer", "Recorder", "Message", "Snoop",
		"MulticastRTP", "UnicastRTP", "WebSocket", "AudioSocket", "Parked", "":
		return true
	}
	return false
}

// numberIn returns the number that a dial string sends, without the device that it is sent
// through; "" if it names only a device. A parameter phone-context stays, since it is part of
// the number. The queue writes the technology in front, Dial does not:
//
//	0044…@trunk              PJSIP, SIP, Motif
//	trunk/sip:0044…@host     PJSIP
//	trunk/0044…              SIP
//	0044…@host//address      SIP, through a proxy
//	0044…@trunk!sip:0033…@host   SIP, with a To of its own: both count ("0044…&0033…")
//	user:password@peer/0044…@context   IAX2
//	g0/0044…                 DAHDI and others
//	0044…@context/n          Local
func numberIn(tech, dialString string) string {
	dialString = strings.TrimPrefix(dialString, tech+"/")
	to := ""
	if tech == "SIP" {
		dialString, to, _ = strings.Cut(dialString, "!")
		to, _, _ = strings.Cut(to, "!")
	}
	device, number, ok := strings.Cut(dialString, "/")
	if !ok || tech == "Local" || strings.HasPrefix(number, "/") {
		if number, _, ok = strings.Cut(device, "@"); !ok || tech == "IAX2" {
			number = ""
		}
	}
	number, to = sentUser(number), sentUser(to)
	if number != "" && to != "" {
		return number + "&" + to
	}
	return number + to
}

// sentUser returns the number in a URI, or in a user with its password.
func sentUser(uri string) string {
	number, context, _ := strings.Cut(numbers.User(uri), ";")
	number, _, _ = strings.Cut(number, ":") // a password
	number = strings.TrimLeft(number, "wW") // waits for the dial tone
	if context != "" && number != "" {
		number += ";" + context
	}
	return number
}

// hostIn returns the address that a dial string leads to: peer/sip:name@address:port. It
// is the zero Addr if the string has none.
func hostIn(dialString string) netip.Addr {
	_, host, ok := strings.Cut(dialString, "@")
	if !ok {
		return netip.Addr{}
	}
	if end := strings.IndexAny(host, ";?/!>"); end >= 0 {
		host = host[:end]
	}
	if at, err := netip.ParseAddrPort(host); err == nil {
		return at.Addr().Unmap()
	}
	at, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return at.Unmap()
}
