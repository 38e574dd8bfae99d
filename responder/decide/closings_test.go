package decide

import (
	"net/netip"
	"testing"
	"time"
)

// Each address has a ladder of its own, which is bounded, and forgotten an hour after the
// last closing.
func TestClosings(t *testing.T) {
	l := Ladder{Spoofable: []time.Duration{10 * time.Minute, time.Hour}}
	at := func(n int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32)
	}
	after := noon.Add(11 * time.Minute)
	v := wrongPassword(5070, "1001", "1002")
	v.At, v.Proven = after, true
	for i := range v.Evidence {
		v.Evidence[i].At = after
	}
	var c Closings
	lasts := func(n int) time.Duration { return c.Next(at(n), v, l).Until.Sub(after) }
	for n := range maxClosings + 1 {
		first := *v
		first.At = noon
		c.Set(at(n), c.Next(at(n), &first, l))
	}
	if lasts(0) != time.Hour || lasts(maxClosings) != 10*time.Minute {
		t.Errorf("again: %s; beyond the room: %s", lasts(0), lasts(maxClosings))
	}
	undo := c.Forget(at(0))
	if lasts(0) != 10*time.Minute {
		t.Errorf("forgotten: %s", lasts(0))
	}
	if undo(); lasts(0) != time.Hour {
		t.Errorf("that is taken back: %s", lasts(0))
	}
	c.Prune(noon.Add(65 * time.Minute))
	if lasts(0) != time.Hour {
		t.Errorf("within the hour: %s", lasts(0))
	}
	if c.Prune(noon.Add(71 * time.Minute)); len(c.last) != 0 {
		t.Errorf("%d addresses kept for ever", len(c.last))
	}
}
