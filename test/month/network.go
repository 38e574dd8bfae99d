package month

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// uplink is an access to the Internet: an office, a home, a hotel, a mobile network.
// Behind it are phones, each on a port of its own, and perhaps strangers.
type uplink struct {
	addr netip.Addr
	next func(r *rand.Rand) netip.Addr // the address after a reconnect
	port uint16                        // of the phone that came last
}

// place is the next phone's port.
func (u *uplink) place() uint16 {
	u.port++
	return 20000 + u.port%40000
}

// pool is addresses of a provider: these many /24s from a prefix on, or IPv6 /56s.
type pool struct {
	first netip.Addr
	nets  int
}

func (p pool) draw(r *rand.Rand) netip.Addr {
	if p.first.Is6() {
		a := p.first.As16()
		binary.BigEndian.PutUint32(a[4:8], uint32(r.IntN(p.nets))<<8)
		a[15] = 1
		return netip.AddrFrom16(a)
	}
	a := p.first.As4()
	n := binary.BigEndian.Uint32(a[:]) + uint32(r.IntN(p.nets))<<8 + uint32(1+r.IntN(254))
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// The providers. Addresses of documentation (RFC 5737) are too few; these belong to
// somebody, and nothing is sent to them.
var (
	dsl      = []pool{{netip.MustParseAddr("79.192.0.0"), 4096}, {netip.MustParseAddr("91.0.0.0"), 4096}} // two BGP prefixes of one provider
	cable    = pool{netip.MustParseAddr("95.88.0.0"), 1024}
	carrier  = pool{netip.MustParseAddr("80.187.64.0"), 4} // carrier-grade NAT
	mobile   = pool{netip.MustParseAddr("109.40.0.0"), 16}
	roaming  = pool{netip.MustParseAddr("37.10.128.0"), 16}
	hotels   = pool{netip.MustParseAddr("62.97.0.0"), 8192}
	six      = pool{netip.MustParseAddr("2003:a::"), 1 << 16}
	internet = pool{netip.MustParseAddr("141.98.0.0"), 1 << 13} // where scanners rent
)

// dslLine is a line whose provider disconnects it once a day [10].
func dslLine(r *rand.Rand) *uplink {
	now := r.IntN(2)
	u := &uplink{next: func(r *rand.Rand) netip.Addr {
		if r.IntN(2) == 0 { // almost half of the changes are to another prefix [10]
			now = 1 - now
		}
		return dsl[now].draw(r)
	}}
	u.addr = u.next(r)
	return u
}

func lineOf(p pool, r *rand.Rand) *uplink { return &uplink{addr: p.draw(r), next: p.draw} }
