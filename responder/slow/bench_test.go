package slow

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// BenchmarkFlood is a flood of forged packets of any address on fifty accounts, with the
// table full.
func BenchmarkFlood(b *testing.B) {
	g := New(Config{}, nowhere{})
	o := attempt(noon, score.InvalidPassword, "1001", "192.0.2.1", score.Spoofable)
	var names [][]byte
	for i := range 50 {
		names = append(names, fmt.Append(nil, 1001+i))
	}
	i := uint32(0)
	next := func() {
		i++
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], 0x0a000000+i*2654435)
		o.Source, o.Account = netip.AddrFrom4(raw), names[i%50]
		o.At = noon.Add(time.Duration(i) * 100 * time.Microsecond)
		g.Observe(o)
	}
	for range 2 * maxGuessers {
		next()
	}
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
}
