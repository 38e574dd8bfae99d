package firewall

import (
	"net/netip"
	"testing"
	"time"
)

// A ban's way into the kernel touches next to no fresh memory: what is left is
// its order, its element, and its setKey in the mirror as they grow.
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

// What many bans at once took is not kept until the next one.
func TestALargeBufferIsLetGo(t *testing.T) {
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
