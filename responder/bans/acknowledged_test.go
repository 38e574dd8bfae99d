package bans

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// since is since when the kernel drops an address, as far as the registry knows.
func since(r *Registry, address string) string {
	ban, at, ok := r.Dropping(noon, netip.MustParseAddr(address))
	if !ok {
		return ""
	}
	return string(ban.Scope) + " of " + incident.PrefixText(ban.Prefix) + " " + at.Sub(noon).String()
}

func TestDropping(t *testing.T) {
	host := incident.Ban{Prefix: guesser, Since: noon, Until: noon.Add(time.Hour), Scope: incident.ScopeSIP}
	network := incident.Ban{Prefix: guessers, Since: noon, Until: noon.Add(time.Hour), Scope: incident.ScopeAll}
	asterisk := host
	asterisk.Scope = incident.ScopeAsterisk
	closed := network
	closed.Scope = incident.ScopeSIP
	longer, observed := host, host
	longer.Until = noon.Add(2 * time.Hour)
	observed.Observed = true
	over := host
	over.Since, over.Until = noon.Add(-time.Hour), noon
	for name, tc := range map[string]struct {
		do   func(*Registry)
		want string
	}{
		"not banned":                     {func(*Registry) {}, ""},
		"not acknowledged":               {func(r *Registry) { r.Put(host) }, ""},
		"acknowledged":                   {func(r *Registry) { r.Put(host); r.Acknowledged(noon.Add(time.Second), host) }, "sip of 192.0.2.66 1s"},
		"by a network":                   {func(r *Registry) { r.Put(network); r.Acknowledged(noon, network) }, "all of 192.0.2.0/24 0s"},
		"by both: what drops more":       {func(r *Registry) { r.Put(host); r.Put(network); r.AcknowledgedAll(noon) }, "all of 192.0.2.0/24 0s"},
		"Asterisk's ports before SIP":    {func(r *Registry) { r.Put(asterisk); r.Put(closed); r.AcknowledgedAll(noon) }, "asterisk of 192.0.2.66 0s"},
		"everything before Asterisk's":   {func(r *Registry) { r.Put(asterisk); r.Put(network); r.AcknowledgedAll(noon) }, "all of 192.0.2.0/24 0s"},
		"by both, one not acknowledged":  {func(r *Registry) { r.Put(network); r.Put(host); r.Acknowledged(noon, host) }, "sip of 192.0.2.66 0s"},
		"the answer to an earlier ban":   {func(r *Registry) { r.Put(longer); r.Acknowledged(noon, host) }, ""},
		"released before the answer":     {func(r *Registry) { r.Put(host); r.Remove(guesser); r.Acknowledged(noon, host) }, ""},
		"asked for anew":                 {func(r *Registry) { r.Put(host); r.AcknowledgedAll(noon); r.Unacknowledged(host) }, ""},
		"loaded at a start":              {func(r *Registry) { r.put(entry{host, noon.UnixMicro()}); r.Loaded(noon.Add(time.Minute)) }, "sip of 192.0.2.66 1m0s"},
		"in mode observe":                {func(r *Registry) { r.Put(observed); r.AcknowledgedAll(noon) }, ""},
		"ended":                          {func(r *Registry) { r.Put(over); r.AcknowledgedAll(noon) }, ""},
		"a reconcile changes no earlier": {func(r *Registry) { r.Put(host); r.Acknowledged(noon, host); r.AcknowledgedAll(noon.Add(time.Minute)) }, "sip of 192.0.2.66 0s"},
	} {
		r := &Registry{}
		tc.do(r)
		if got := since(r, "192.0.2.66"); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		pending := 0
		for _, b := range r.bans.All() {
			if b.dropped == 0 {
				pending++
			}
		}
		if r.pending != pending {
			t.Errorf("%s: %d pending, counted %d", name, pending, r.pending)
		}
	}
}

// The bans of a start are acknowledged with it, unless some did not fit.
func TestBansOfAStartAreAcknowledged(t *testing.T) {
	nobody := func(netip.Prefix) bool { return false }
	r := &Registry{}
	if err := Load(noon, r, newKernel(), &paper{}, Remembered{Bans: twoBans}, nobody); err != nil || r.pending != 0 {
		t.Errorf("%v, %d pending", err, r.pending)
	}
	k := newKernel()
	k.room = 1
	if r = (&Registry{}); Load(noon, r, k, &paper{}, Remembered{Bans: twoBans}, nobody) == nil || r.pending != 2 {
		t.Errorf("%d pending where there is no room for all", r.pending)
	}
}

// What did not fit in the queue, or was refused, is acknowledged by the reconcile.
func TestReconcileAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		k.set(true, true)
		q := NewKernelQueue(k, func(time.Time) []incident.Ban { return slices.Clone(twoBans) }, zerolog.Nop())
		var reconciled atomic.Int32
		q.Reconciled = func(time.Time) { reconciled.Add(1) }
		runQueue(t, q)
		q.Ban(twoBans[0], func(error) {})
		time.Sleep(3 * time.Second)
		if reconciled.Load() != 0 {
			t.Error("a kernel that refuses acknowledges")
		}
		k.set(false, false)
		time.Sleep(2 * time.Second)
		if reconciled.Load() != 1 {
			t.Errorf("acknowledged %d times", reconciled.Load())
		}
		if err := q.Reconcile(t.Context()); err != nil || reconciled.Load() != 2 {
			t.Errorf("%v, acknowledged %d times", err, reconciled.Load())
		}
	})
}
