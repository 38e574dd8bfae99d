package bans

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestOperatorBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		until := time.Now().Add(time.Hour)
		ban, err := s.Ban(netip.MustParsePrefix("192.0.2.66/24"), until, "a nuisance", false, 7)
		if err != nil || ban.Prefix != guessers || ban.Origin != incident.OriginOperator || !ban.Until.Equal(until) || ban.Step != incident.StepUnknown {
			t.Fatalf("%+v, %v", ban, err)
		}
		if is, ok := s.Registry.Exact(time.Now(), guessers); !ok || is != ban || s.kernel.drops() != "192.0.2.0/24" || s.Count() != 1 {
			t.Errorf("registered %+v, dropped %s", is, s.kernel.drops())
		}
		if s.ledger.story() != "put 192.0.2.0/24" || strings.Join(s.acted, "; ") != "7: ban 192.0.2.0/24 a nuisance" || strings.Join(s.changed, "; ") != "192.0.2.0/24 banned" {
			t.Errorf("recorded %s, %v, %v", s.ledger.story(), s.acted, s.changed)
		}
	})
}

// What is refused leaves everything as it was, and says why and the way out.
func TestBanIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		prefix  netip.Prefix
		force   bool
		observe bool
		want    string // "" for not refused
	}{
		"a protected address":         {another, false, false, "refused: 203.0.113.9 is protected: used by 1002; use --force to ban it anyway"},
		"a network that holds one":    {netip.MustParsePrefix("203.0.113.0/24"), false, false, "--force"},
		"a protected address, forced": {another, true, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite()
				s.run(t)
				_, err := s.Ban(tc.prefix, time.Time{}, "", tc.force, 7)
				if tc.want == "" {
					if err != nil || s.Count() != 1 {
						t.Errorf("%d bans, %v", s.Count(), err)
					}
					return
				}
				if !errors.Is(err, incident.ErrRefused) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%v, want %q", err, tc.want)
				}
				if s.Count() != 0 || s.kernel.story() != "" || s.ledger.story() != "" || len(s.acted) != 0 {
					t.Errorf("%d bans, asked %q, recorded %q", s.Count(), s.kernel.story(), s.ledger.story())
				}
			})
		})
	}
}

// What the kernel does not take is not in the registry either: a ban gives way
// to the one before it, a release is no release.
func TestKernelRefusesAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		before := incident.Ban{Prefix: guesser, Since: time.Now(), Until: time.Now().Add(time.Hour), Reason: "3 points"}
		s.ban(t, before)
		synctest.Wait()
		s.kernel.set(true, true)
		_, err := s.Ban(guesser, time.Time{}, "", false, 7)
		if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "ban 192.0.2.66: ") {
			t.Errorf("ban: %v", err)
		}
		if is, _ := s.Registry.Exact(time.Now(), guesser); is != before {
			t.Errorf("the ban before has become %+v", is)
		}
		if _, err := s.Ban(guessers, time.Time{}, "", false, 7); err == nil {
			t.Error("banned")
		}
		if _, ok := s.Registry.Exact(time.Now(), guessers); ok {
			t.Error("the registry holds what the kernel refused")
		}
		if r, err := s.Unban(guesser, false, 7); !errors.Is(err, errLost) || !strings.Contains(err.Error(), "release 192.0.2.66: ") || r.Bans != nil {
			t.Errorf("unban: %v, %v", r.Bans, err)
		}
		if _, err := s.UnbanAll(false, 7); err == nil || !strings.Contains(err.Error(), "release 192.0.2.66: ") {
			t.Errorf("unban all: %v", err)
		}
		if s.Count() != 1 || s.ledger.story() != "" || len(s.acted)+len(s.changed) != 0 {
			t.Errorf("%d bans, recorded %s, %v, %v", s.Count(), s.ledger.story(), s.acted, s.changed)
		}
		s.kernel.set(false, false)
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		if s.kernel.drops() != "192.0.2.66/32" {
			t.Errorf("dropped in the end: %s", s.kernel.drops())
		}
	})
}

// A kernel that is held up for long may still take the change: it stays decided,
// and the person hears that it is not confirmed.
func TestKernelIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite() // whose queue nobody empties
		_, err := s.Ban(guesser, time.Time{}, "", false, 7)
		if !errors.Is(err, errUnconfirmed) || s.Count() != 1 {
			t.Errorf("%d bans, %v", s.Count(), err)
		}
		s.Queue.changesC = make(chan change)
		if _, err := s.Ban(another, time.Time{}, "", true, 7); !errors.Is(err, ErrBusy) || s.Count() != 1 {
			t.Errorf("without room: %d bans, %v", s.Count(), err)
		}
		if err := s.Release(time.Now(), s.List(time.Now()), "a test"); !errors.Is(err, ErrBusy) || s.Count() != 1 {
			t.Errorf("without room: %d bans, %v", s.Count(), err)
		}
	})
}

// A release keeps the place on the ladder; forgiving clears it. The score goes
// with the ban.
func TestUnban(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		now := time.Now()
		offend := func(p netip.Prefix) {
			s.Offences.Add(now, p)
			s.ban(t, incident.Ban{Prefix: p, Since: now, Offence: s.Offences.Count(now, p)})
		}
		offend(guesser)
		if r, err := s.Unban(guesser, false, 7); err != nil || r.Forgiven != 0 || len(r.Bans) != 1 || r.Bans[0].Prefix != guesser {
			t.Fatalf("released %v, forgiven %d, %v", r.Bans, r.Forgiven, err)
		}
		if s.Count() != 0 || s.kernel.drops() != "" || sorted(s.cleared) != "192.0.2.66/32" || s.Offences.Count(now, guesser) != 1 {
			t.Errorf("%d bans, dropped %s, cleared %v, %d offences", s.Count(), s.kernel.drops(), s.cleared, s.Offences.Count(now, guesser))
		}
		offend(guesser)
		if r, err := s.Unban(guesser, true, 7); err != nil || r.Forgiven != 2 || len(r.Bans) != 1 {
			t.Errorf("released %v, forgiven %d, %v", r.Bans, r.Forgiven, err)
		}
		// A network forgives all in it, banned or not.
		s.Offences.Add(now, guesser)
		if r, err := s.Unban(guessers, true, 7); err != nil || r.Forgiven != 1 || len(r.Bans) != 0 {
			t.Errorf("released %v, forgiven %d, %v", r.Bans, r.Forgiven, err)
		}
		if s.Offences.Count(now, guesser) != 0 {
			t.Error("not forgiven")
		}
		want := "7: unban 192.0.2.66; 7: unban 192.0.2.66 2 earlier bans forgotten; 7: unban 192.0.2.0/24 1 earlier ban forgotten"
		if got := strings.Join(s.acted, "; "); got != want {
			t.Errorf("recorded %q, want %q", got, want)
		}
		want = "delete 192.0.2.66 by uid 7; forget offences of 192.0.2.66; delete 192.0.2.66 by uid 7; forget offences of 192.0.2.66"
		if got := s.ledger.story(); got != want {
			t.Errorf("the ledger has %q, want %q", got, want)
		}
	})
}

// A network that was closed on spoofable evidence is released when an address in it
// is allowed or protected; a person's ban of it stays. Forgiven, the next one is a
// first one again.
func TestClosedNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		now := time.Now()
		around := netip.MustParsePrefix("203.0.113.0/24") // of another, which is protected
		s.ban(t, incident.Ban{Prefix: around, Since: now})
		s.ban(t, incident.Ban{Prefix: guessers, Since: now, Until: now.Add(time.Hour), Scope: incident.ScopeSIP, Repeat: 2})
		if released, err := s.ReleaseAllowed(now); err != nil || len(released) != 0 {
			t.Errorf("released %v, %v", released, err)
		}
		if n := s.Closed(now); n != 1 {
			t.Errorf("%d networks closed", n)
		}
		want := "refused: 192.0.2.66 is held by the ban of 192.0.2.0/24 for SIP and IAX2 over UDP: `tollwarden unban 192.0.2.0/24` releases all of it, `tollwarden allow add 192.0.2.66` lets this one through"
		if _, err := s.Unban(guesser, false, 7); err == nil || err.Error() != want {
			t.Errorf("unban of an address: %v", err)
		}
		s.ban(t, incident.Ban{Prefix: around, Since: now, Until: now.Add(time.Hour), Scope: incident.ScopeSIP, Repeat: 1})
		if released, err := s.ReleaseAllowed(now); err != nil || len(released) != 1 || released[0].Prefix != around {
			t.Errorf("released %v, %v", released, err)
		}
		s.Repeats.Set(guessers, 2, now)
		if r, err := s.Unban(guessers, true, 7); err != nil || len(r.Bans) != 1 || s.Repeats.Count(now, guessers) != 0 {
			t.Errorf("released %v, %v; %d counted", r.Bans, err, s.Repeats.Count(now, guessers))
		}
		if got := s.ledger.story(); !strings.Contains(got, "forget repeats of 192.0.2.0/24") {
			t.Errorf("the ledger has %q", got)
		}
		if s.Closed(now) != 0 || s.kernel.drops() != "" {
			t.Errorf("%d networks closed, dropped %s", s.Closed(now), s.kernel.drops())
		}
	})
}

// What is not banned itself is not released, and the person hears what to do.
func TestUnbanOfWhatIsNotBanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		for what, want := range map[netip.Prefix]string{
			another: "refused: 203.0.113.9 is not banned",
			guesser: "refused: 192.0.2.66 is held by the ban of 192.0.2.0/24: `tollwarden unban 192.0.2.0/24` releases all of it, `tollwarden allow add 192.0.2.66` lets this one through",
		} {
			if what == guesser {
				s.ban(t, incident.Ban{Prefix: guessers, Since: time.Now()})
			}
			if _, err := s.Unban(what, false, 7); !errors.Is(err, incident.ErrRefused) || err.Error() != want {
				t.Errorf("%s: %v", what, err)
			}
		}
		if len(s.acted) != 0 {
			t.Errorf("recorded %v", s.acted)
		}
	})
}

// A renewable ban is not renewed once its address is forgiven.
func TestForgivenBanIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		now := time.Now()
		s.ban(t, incident.Ban{Prefix: guesser, Since: now.Add(-time.Hour), Until: now.Add(-time.Minute), Scope: incident.ScopeSIP})
		if _, renewable := s.Registry.Renewable(now, guesser); !renewable {
			t.Fatal("not renewable before")
		}
		if _, err := s.Unban(guesser, true, 7); err != nil {
			t.Fatal(err)
		}
		if _, renewable := s.Registry.Renewable(now, guesser); renewable {
			t.Error("renewable afterwards")
		}
	})
}

// Releasing all is one order.
func TestUnbanAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		now := time.Now()
		for i, p := range []netip.Prefix{guesser, another} {
			s.Offences.Add(now, p)
			s.ban(t, incident.Ban{Prefix: p, Since: now.Add(time.Duration(i) * time.Second), Observed: p == another})
		}
		if list := s.List(now); len(list) != 2 || list[0].Prefix != another {
			t.Errorf("the newest first: %v", list)
		}
		r, err := s.UnbanAll(true, 0)
		if err != nil || len(r.Bans) != 2 || r.Bans[0].Prefix != another || r.Forgiven != 2 || s.kernel.drops() != "" || s.Count() != 0 {
			t.Errorf("released %v, forgiven %d, %v; dropped %s", r.Bans, r.Forgiven, err, s.kernel.drops())
		}
		if got := strings.Join(s.acted, "; "); got != "0: unban all 2 bans" {
			t.Errorf("recorded %q", got)
		}
		if strings.Contains(s.ledger.story(), "delete 203.0.113.9") {
			t.Error("an observed ban is released in the ledger, which never had it")
		}
		if got := strings.Join(s.changed, "; "); got != "203.0.113.9 released; 192.0.2.66 released" {
			t.Errorf("changed %q", got)
		}
	})
}

func TestReleaseAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.run(t)
		for _, p := range []netip.Prefix{guesser, guessers, another} {
			s.ban(t, incident.Ban{Prefix: p, Since: time.Now()})
		}
		s.allowed = []netip.Prefix{guesser}
		released, err := s.ReleaseAllowed(time.Now())
		if err != nil || len(released) != 1 || released[0].Prefix != guesser {
			t.Errorf("released %v, %v", released, err)
		}
		if s.kernel.drops() != "192.0.2.0/24 203.0.113.9/32" || s.ledger.story() != "delete 192.0.2.66 by the allow list" {
			t.Errorf("dropped %s, recorded %s", s.kernel.drops(), s.ledger.story())
		}
		if released, err := s.ReleaseAllowed(time.Now()); err != nil || len(released) != 0 {
			t.Errorf("released again: %v, %v", released, err)
		}
	})
}

func TestStillHeld(t *testing.T) {
	s := newSite()
	now := time.Now()
	if why := s.StillHeld(guesser); why != "" {
		t.Errorf("held by nothing: %q", why)
	}
	s.Registry.Put(incident.Ban{Prefix: guesser, Since: now})
	s.Registry.Put(incident.Ban{Prefix: another, Since: now.Add(-time.Hour), Until: now.Add(-time.Minute)})
	for prefix, want := range map[netip.Prefix]string{
		guessers:                                   "1 ban still in force within it: `tollwarden bans` lists them",
		netip.MustParsePrefix("203.0.113.0/24"):    "",
		netip.MustParsePrefix("192.0.2.66/32"):     "it is still held by the ban of 192.0.2.66: `tollwarden unban 192.0.2.66` releases all of it, `tollwarden allow add 192.0.2.66` lets this one through",
		netip.MustParsePrefix("2001:db8:1::1/128"): "",
	} {
		if got := s.StillHeld(prefix); got != want {
			t.Errorf("%s: %q, want %q", prefix, got, want)
		}
	}
}
