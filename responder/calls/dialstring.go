package calls

import (
	"net/netip"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
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
// through; "" if it names only a device. The queue writes the technology in front, Dial
// does not:
//
//	0044…@trunk              PJSIP, SIP, Motif
//	trunk/sip:0044…@host     PJSIP
//	trunk/0044…              SIP
//	user:password@peer/0044…@context   IAX2
//	g0/0044…                 DAHDI and others
//	0044…@context/n          Local
func numberIn(tech, dialString string) string {
	dialString = strings.TrimPrefix(dialString, tech+"/")
	device, number, ok := strings.Cut(dialString, "/")
	if !ok || tech == "Local" {
		if number, _, ok = strings.Cut(device, "@"); !ok || tech == "IAX2" {
			return ""
		}
	}
	if i := strings.IndexAny(number, "@;?"); i >= 0 {
		number = number[:i]
	}
	for _, scheme := range []string{"sip:", "sips:", "tel:"} {
		number = strings.TrimPrefix(number, scheme)
	}
	number, _, _ = strings.Cut(number, ":") // a password
	return strings.TrimLeft(number, "wW")   // waits for the dial tone
}

// hostIn returns the address that a dial string leads to: peer/sip:name@address:port. It
// is the zero Addr if the string has none.
func hostIn(dialString string) netip.Addr {
	i := strings.LastIndexByte(dialString, '@')
	if i < 0 {
		return netip.Addr{}
	}
	host := dialString[i+1:]
	if end := strings.IndexAny(host, ";?/"); end >= 0 {
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
