package firewall

import (
	"net/netip"
	"testing"
	"time"
)

// A ban's way into the kernel touches next to no fresh memory: what is left is
// its order, its element, and its place in the books as they grow.
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
