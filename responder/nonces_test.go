package responder

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// However many nonces and sources go astray and are challenged after, none of
// them is ever taken for proof, and few others lose theirs.
func TestWhatWentAstrayStaysDoubtful(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	n := newNonces()
	source := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x0b000000+uint32(i))))
	}
	nonce := func(i int) []byte { return fmt.Append(nil, "1/", i) }
	const astray, others = 20_000, 10_000
	for i := range astray {
		n.sent(now, source(i), nonce(i))
		n.leaked(now, nonce(i))
		n.stray(now, source(i))
	}
	for i := range astray + others {
		n.sent(now, source(i), nonce(i))
	}
	later := now.Add(time.Minute)
	doubtful, unproven := 0, 0
	for i := range astray + others {
		doubt, proof := n.doubtful(later, source(i)), n.answered(later, source(i), nonce(i))
		if i < astray {
			if !doubt || proof {
				t.Fatalf("%s: doubtful %t, answered %t", source(i), doubt, proof)
			}
			continue
		}
		if doubt {
			doubtful++
		}
		if !proof {
			unproven++
		}
	}
	// 31 sources for 100 places: two or more at 4 of them, one at 26.
	if doubtful > others*6/100 || unproven > others*40/100 {
		t.Errorf("of %d others, %d are doubtful and %d answered in vain", others, doubtful, unproven)
	}
	if after := now.Add((astrayLasts + 1) * time.Second); n.doubtful(after, source(0)) {
		t.Error("doubtful for ever")
	}
}
