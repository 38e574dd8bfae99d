package responder_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// A response that leaves for a banned address is seen on the wire: the ban is
// renewed, then widened in the kernel, the ledger and the incident.
func TestBanWithoutEffect(t *testing.T) {
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	h.hear(t, now, []byte(failures("1002", "192.0.2.66", 3)))
	h.settled(t)
	answered := func(after time.Duration) {
		h.Sent(now.Add(after), netip.MustParseAddrPort("192.0.2.66:5060"), []byte("SIP/2.0 401 Unauthorized\r\n\r\n"))
	}
	answered(time.Second) // what was under way
	if n := h.Counters().Renewed; n != 0 {
		t.Errorf("renewed %d times at once", n)
	}
	for n, after := range []time.Duration{5 * time.Second, 10 * time.Second} {
		h.wait(t, "the ban to be renewed", func() bool {
			answered(after)
			return h.Counters().Renewed > uint64(n)
		})
	}
	h.wait(t, "the kernel to drop everything", func() bool {
		b, ok := h.kernel.ban(netip.MustParseAddr("192.0.2.66"))
		return ok && b.Scope == incident.ScopeBrief
	})
	if got := h.scopes(now.Add(time.Second)); got != "192.0.2.66/32 brief #0" {
		t.Errorf("bans %s", got)
	}
	if list, err := h.ledger.Bans(t.Context(), now); err != nil || len(list) != 1 || list[0].Scope != incident.ScopeBrief {
		t.Errorf("the ledger has %+v, %v", list, err)
	}
	s := h.settled(t)[0].Steps[0]
	if s.State != incident.Failed || !strings.HasPrefix(s.Detail, "without effect: until ") || !strings.Contains(s.Detail, "widened to all traffic") {
		t.Errorf("the incident says %+v", s)
	}
	if list := h.Senses(now.Add(11 * time.Second)).Ineffective; len(list) != 1 {
		t.Errorf("%+v", list)
	}
}
