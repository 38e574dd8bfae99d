package bans

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
)

var (
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	guesser  = netip.MustParsePrefix("192.0.2.66/32")
	guessers = netip.MustParsePrefix("192.0.2.0/24")
	another  = netip.MustParsePrefix("203.0.113.9/32")
)

var errLost = errors.New("the table is lost")

// kernel is a firewall in memory that writes down what it is asked, and can
// refuse.
type kernel struct {
	mu      sync.Mutex
	refuse  bool // Ban and Release
	broken  bool // Reconcile, too
	room    int  // for bans; 0 is no limit
	dropped map[netip.Prefix]incident.Ban
	asked   []string
	batches []int // how many bans came at once
}

func newKernel(list ...incident.Ban) *kernel {
	k := &kernel{dropped: map[netip.Prefix]incident.Ban{}}
	for _, b := range list {
		k.dropped[b.Prefix] = b
	}
	return k
}

// set makes the kernel refuse, changes and reconciles.
func (k *kernel) set(refuse, broken bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse, k.broken = refuse, broken
}

// note writes down a call of at most a few prefixes.
func (k *kernel) note(what string, prefixes []netip.Prefix) {
	if len(prefixes) < 10 {
		what += " " + incident.PrefixesText(prefixes)
	}
	k.asked = append(k.asked, strings.TrimSpace(what))
}

func prefixes(list []incident.Ban) (p []netip.Prefix) {
	for _, b := range list {
		p = append(p, b.Prefix)
	}
	return p
}

func (k *kernel) Ban(_ time.Time, list []incident.Ban) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note("ban", prefixes(list))
	k.batches = append(k.batches, len(list))
	if k.refuse {
		return errLost
	}
	all := maps.Clone(k.dropped)
	for _, b := range list {
		all[b.Prefix] = b
	}
	if k.room > 0 && len(all) > k.room {
		return ErrFull
	}
	k.dropped = all
	return nil
}

func (k *kernel) Release(list ...netip.Prefix) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note("release", list)
	if k.refuse {
		return errLost
	}
	for _, p := range list {
		delete(k.dropped, p)
	}
	return nil
}

func (k *kernel) Reconcile(_ time.Time, list []incident.Ban) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	slices.SortFunc(list, func(x, y incident.Ban) int { return x.Prefix.Compare(y.Prefix) })
	k.note("reconcile", prefixes(list))
	if k.broken {
		return errLost
	}
	k.dropped = map[netip.Prefix]incident.Ban{}
	for _, b := range list {
		if k.room > 0 && len(k.dropped) == k.room {
			return ErrFull
		}
		k.dropped[b.Prefix] = b
	}
	return nil
}

func (k *kernel) Bans(time.Time) (list []incident.Ban) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range k.dropped {
		list = append(list, b)
	}
	return list
}

func (k *kernel) Allow([]netip.Prefix) error { return nil }

// drops are the dropped prefixes, in order.
func (k *kernel) drops() string { return sorted(prefixes(k.Bans(noon))) }

func (k *kernel) story() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.asked, "; ")
}

func sorted(list []netip.Prefix) string {
	slices.SortFunc(list, netip.Prefix.Compare)
	return incident.PrefixesText(list)
}

// paper is a ledger that writes down what it is given.
type paper struct{ lines []string }

func (p *paper) PutBan(b incident.Ban) {
	p.lines = append(p.lines, "put "+incident.PrefixText(b.Prefix))
}

func (p *paper) DeleteBan(prefix netip.Prefix, _ time.Time, by string) {
	p.lines = append(p.lines, "delete "+incident.PrefixText(prefix)+" by "+by)
}

func (p *paper) ForgetOffences(prefix netip.Prefix) {
	p.lines = append(p.lines, "forget offences of "+incident.PrefixText(prefix))
}

func (p *paper) ForgetRepeats(prefix netip.Prefix) {
	p.lines = append(p.lines, "forget repeats of "+incident.PrefixText(prefix))
}

func (p *paper) story() string { return strings.Join(p.lines, "; ") }

// site is an Operator with everything around it in memory, and one lock.
type site struct {
	*Operator
	kernel  *kernel
	ledger  *paper
	mu      sync.Mutex
	cleared []netip.Prefix
	acted   []string
	changed []string
	allowed []netip.Prefix
}

func newSite() *site {
	s := &site{kernel: newKernel(), ledger: &paper{}}
	r := &Registry{}
	s.Operator = &Operator{
		Registry: r, Offences: NewOffences(24 * time.Hour), Repeats: NewRepeats(24 * time.Hour), Ledger: s.ledger,
		With: func(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() },
		Objection: func(p netip.Prefix) string {
			if p.Overlaps(another) {
				return "203.0.113.9 is protected: used by 1002"
			}
			return ""
		},
		Allowed:    func(p netip.Prefix) bool { return slices.Contains(s.allowed, p) },
		ClearScore: func(p netip.Prefix) { s.cleared = append(s.cleared, p) },
		Acted: func(_ time.Time, uid uint32, what, target, detail string) {
			s.acted = append(s.acted, strings.TrimSpace(fmt.Sprintf("%d: %s %s %s", uid, what, target, detail)))
		},
		Changed: func(b incident.Ban, change incident.BanChange) {
			s.changed = append(s.changed, incident.PrefixText(b.Prefix)+" "+string(change))
		},
	}
	s.Queue = NewKernelQueue(s.kernel, func(now time.Time) (list []incident.Ban) {
		s.With(func() { list = r.List(now) })
		return list
	}, zerolog.Nop())
	return s
}

// run has the queue work until the test ends.
func (s *site) run(t *testing.T) { runQueue(t, s.Queue) }

func runQueue(t *testing.T, q *KernelQueue) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { q.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

// ban puts a ban into force, as a verdict does.
func (s *site) ban(t *testing.T, b incident.Ban) {
	t.Helper()
	s.With(func() {
		s.Registry.Put(b)
		if !s.Queue.Ban(b, func(error) {}) {
			t.Error("no room for a ban")
		}
	})
}
