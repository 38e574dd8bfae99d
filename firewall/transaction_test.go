package firewall

import (
	"net/netip"
	"testing"
	"time"
)

// A ban on its way to the kernel allocates next to nothing: its change, its
// element, and its entry in the mirror as that grows.
func TestABanAllocatesLittle(t *testing.T) {
	k := openKernel(t, newLab(t), Config{})
	now := time.Now()
	n := 0
	allocs := testing.AllocsPerRun(1000, func() {
		n++
		a := netip.AddrFrom4([4]byte{200, 0, byte(n >> 8), byte(n)})
		must(t, k.Ban(now, Ban{Prefix: netip.PrefixFrom(a, 32), Until: now.Add(time.Hour)}))
	})
	if allocs > 5 {
		t.Errorf("%v allocations for a ban", allocs)
	}
}

// The buffer of a large transaction is not kept.
func TestLargeBufferIsReleased(t *testing.T) {
	k := openKernel(t, newLab(t), Config{})
	now := time.Now()
	bans := make([]Ban, 4096)
	for n := range bans {
		bans[n] = Ban{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{200, 0, byte(n >> 8), byte(n)}), 32), Until: now.Add(time.Hour)}
	}
	must(t, k.Ban(now, bans...))
	if kept := cap(k.changes.buf); kept > keepBuffer {
		t.Errorf("%d bytes are kept", kept)
	}
	must(t, k.Ban(now, bans[0]))
	if cap(k.changes.buf) == 0 {
		t.Error("a small buffer is not kept")
	}
}
