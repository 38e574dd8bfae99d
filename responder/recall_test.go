package responder_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// halfway is a wall that takes one page of recalled bans and refuses the rest
// until it is told to go on.
type halfway struct {
	*wall
	t     *testing.T
	pages atomic.Int32
	open  atomic.Bool
}

func (h *halfway) Include(now time.Time, bans []responder.Ban) error {
	if h.pages.Add(1) > 1 && !h.open.Load() {
		return errors.New("busy")
	}
	return h.wall.Include(now, bans)
}

func (h *halfway) Restore(now time.Time, bans []responder.Ban) error {
	if !h.open.Load() {
		h.t.Error("a book that is not loaded yet took the place of what the kernel holds")
	}
	return h.wall.Restore(now, bans)
}

// fillers is how many bans come before those that a test is about: more than
// two pages of page bans.
const page, fillers = 16, 40

// halfLoaded is a house whose responder has begun to load many bans, these last.
func halfLoaded(t *testing.T, now time.Time, last ...incident.Ban) (h *house, gate *halfway) {
	t.Helper()
	return halfLoadedAfter(t, now, 0, last...)
}

// halfLoadedAfter is halfLoaded with so many offences of the villain's before.
func halfLoadedAfter(t *testing.T, now time.Time, offences int, last ...incident.Ban) (h *house, gate *halfway) {
	t.Helper()
	responder.SmallPages(t, page)
	h = newHouse(t, guessing(3))
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	h.ledger = l
	for i := range fillers {
		addr := netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})
		l.PutBan(incident.Ban{Prefix: netip.PrefixFrom(addr, 32), Since: now.Add(-time.Hour), Until: now.Add(24 * time.Hour)})
	}
	for _, b := range last {
		b.Since = now.Add(-time.Hour)
		l.PutBan(b)
	}
	for n := range offences {
		l.AddOffence(villain, now.Add(-time.Duration(n+1)*time.Hour))
	}
	gate = &halfway{wall: h.wall, t: t}
	h.Responder = h.over(t, now, guessing(3), gate)
	if done, total, loading := h.Loading(); !loading || done == 0 || total > 0 && total < done || done > fillers {
		t.Fatalf("loading %d of %d", done, total)
	}
	return h, gate
}

// loads lets the rest of the bans in, and waits until all are.
func (h *house) loads(t *testing.T, gate *halfway) {
	t.Helper()
	gate.open.Store(true)
	for range 500 {
		if _, _, loading := h.Loading(); !loading {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the bans are never loaded")
}

func (h *house) banOf(now time.Time, prefix netip.Prefix) (responder.Ban, bool) {
	bans := h.Bans(now)
	i := slices.IndexFunc(bans, func(b responder.Ban) bool { return b.Prefix == prefix })
	if i < 0 {
		return responder.Ban{}, false
	}
	return bans[i], true
}

// An order about a ban that is not loaded yet holds when it would be.
func TestOrdersWhileBansAreLoaded(t *testing.T) {
	now := time.Now()
	listed, allowed := netip.MustParsePrefix("203.0.113.5/32"), netip.MustParsePrefix("203.0.113.6/32")
	until := now.Add(time.Hour)
	h, gate := halfLoaded(t, now, incident.Ban{Prefix: villain}, incident.Ban{Prefix: listed}, incident.Ban{Prefix: allowed})
	if released, _, err := h.Unban(villain, false, 0); err != nil || len(released) != 1 {
		t.Fatalf("released %v, %v", released, err)
	}
	if _, err := h.Ban(listed, until, "shorter", false, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Allow([]netip.Prefix{allowed}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Unban(netip.MustParsePrefix("203.0.113.9/32"), false, 0); !errors.Is(err, responder.ErrRefused) {
		t.Errorf("the release of one that is not banned: %v", err)
	}
	h.loads(t, gate)
	for _, prefix := range []netip.Prefix{villain, allowed} {
		_, inBook := h.banOf(now, prefix)
		_, inKernel := h.wall.ban(prefix.Addr())
		if inBook || inKernel {
			t.Errorf("%s is back: in the book %t, in the kernel %t", prefix, inBook, inKernel)
		}
	}
	if b, _ := h.banOf(now, listed); !b.Until.Equal(until) || b.Reason != "shorter" {
		t.Errorf("the operator's ban became %+v", b)
	}
	if n := h.BanCount(); n != fillers+1 {
		t.Errorf("%d bans, want %d", n, fillers+1)
	}
	for prefix, want := range map[netip.Prefix]bool{villain: false, allowed: false, listed: true} {
		if _, kept, err := h.ledger.Ban(t.Context(), now, prefix); err != nil || kept != want {
			t.Errorf("the ledger keeps %s: %t, %v", prefix, kept, err)
		}
	}
}

// An order about every ban waits until all are loaded.
func TestUnbanAllWaitsForTheBans(t *testing.T) {
	now := time.Now()
	h, gate := halfLoaded(t, now)
	go func() {
		time.Sleep(50 * time.Millisecond)
		gate.open.Store(true)
	}()
	released, _, err := h.UnbanAll(false, 0)
	if err != nil || len(released) != fillers {
		t.Errorf("released %d, %v; want %d", len(released), err, fillers)
	}
	if n := len(h.wall.dropped()); n != 0 || h.BanCount() != 0 {
		t.Errorf("%d still dropped, %d in the book", n, h.BanCount())
	}
}

// A guesser whose ban or record is not loaded yet is dropped at once, and in the
// end for as long as if it had been.
func TestVerdictsWhileBansAreLoaded(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		was      *incident.Ban
		offences int
		heard    func(string) string
		forever  bool
		want     time.Duration
		offence  int
	}{
		"a stranger":                        {nil, 0, proven, false, time.Hour, 1},
		"one that offended before":          {nil, 1, proven, false, 24 * time.Hour, 2},
		"banned for longer":                 {&incident.Ban{Until: now.Add(7 * 24 * time.Hour), Offence: 1}, 1, proven, false, 7 * 24 * time.Hour, 2},
		"banned for a shorter time":         {&incident.Ban{Until: now.Add(time.Minute), Offence: 1}, 1, proven, false, 24 * time.Hour, 2},
		"banned by an operator for ever":    {&incident.Ban{Origin: incident.OriginOperator}, 0, proven, true, 0, 1},
		"banned whole, heard of by forgery": {&incident.Ban{Until: now.Add(2 * time.Hour), Offence: 1}, 1, func(s string) string { return s }, false, 2 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var last []incident.Ban
			if tc.was != nil {
				tc.was.Prefix = villain
				last = append(last, *tc.was)
			}
			h, gate := halfLoadedAfter(t, now, tc.offences, last...)
			h.hear(t, now, []byte(tc.heard(failures("1002", villain.Addr().String(), 3))))
			h.settled(t)
			if _, dropped := h.wall.ban(villain.Addr()); !dropped {
				t.Fatal("not dropped at once")
			}
			h.loads(t, gate)
			h.settled(t)
			ban, _ := h.banOf(now, villain)
			if ban.Forever() != tc.forever || !tc.forever && ban.Until.Sub(now).Round(time.Minute) != tc.want || ban.Offence != tc.offence || ban.Claimed() {
				t.Errorf("banned: %+v, for %s", ban, ban.Until.Sub(now))
			}
			for range 100 {
				if b, _ := h.wall.ban(villain.Addr()); b.Until.Equal(ban.Until) && b.Scope == ban.Scope {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("the kernel has another end than the book")
		})
	}
}

// A kernel that loses the table meanwhile gets what is known, and then the rest.
func TestTheTableIsLostWhileBansAreLoaded(t *testing.T) {
	now := time.Now()
	h, gate := halfLoaded(t, now, incident.Ban{Prefix: villain})
	clear(h.wall.bans)
	gate.pages.Store(0)
	if err := h.Restore(now); err != nil { // what the sentry does
		t.Fatal(err)
	}
	if n := len(h.wall.dropped()); n < page || n > fillers {
		t.Errorf("%d are dropped again", n)
	}
	h.loads(t, gate)
	if n := len(h.wall.dropped()); n != fillers+1 {
		t.Errorf("%d are dropped in the end, want %d", n, fillers+1)
	}
}
