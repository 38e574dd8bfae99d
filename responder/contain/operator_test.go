package contain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestOrdersOnAccounts(t *testing.T) {
	s := newSite(RestrictRule{})
	s.pbx.channels = []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002"}
	ctx, gone := context.WithCancel(t.Context())
	gone() // who asked has gone away
	if detail, err := s.Rotate(ctx, "1002", 7); err != nil || detail != "in pjsip.conf; its phones that need the new password were last seen at 198.51.100.10" {
		t.Errorf("rotate: %q, %v", detail, err)
	}
	if channels, err := s.Hangup(ctx, "1002", 7); err != nil || len(channels) != 2 {
		t.Errorf("hangup: %v, %v", channels, err)
	}
	if detail, err := s.RemoveRegistrations(ctx, "1002", 7); err != nil || detail != "one removed, one stays" {
		t.Errorf("expire: %q, %v", detail, err)
	}
	s.pbx.fail("expire", errors.New("no connection"))
	if detail, err := s.RemoveRegistrations(ctx, "1002", 7); err == nil || detail != "one removed, one stays" {
		t.Errorf("expire: %q, %v", detail, err)
	}
	want := "7: rotate 1002 in pjsip.conf; its phones that need the new password were last seen at 198.51.100.10; " +
		"7: hangup 1002 PJSIP/1002-00000001, PJSIP/1002-00000002; 7: remove-registrations 1002 one removed, one stays; " +
		"7: remove-registrations failed 1002 one removed, one stays: no connection"
	if got := strings.Join(s.acted, "; "); got != want {
		t.Errorf("recorded %q\nwant     %q", got, want)
	}
}

// What is no phone's account is left alone.
func TestRefusedOrders(t *testing.T) {
	orders := map[string]func(s *site, account string) error{
		"rotate": func(s *site, a string) error { _, err := s.Rotate(t.Context(), a, 7); return err },
		"hangup": func(s *site, a string) error { _, err := s.Hangup(t.Context(), a, 7); return err },
		"expire": func(s *site, a string) error { _, err := s.RemoveRegistrations(t.Context(), a, 7); return err },
		"lock":   func(s *site, a string) error { _, err := s.Lock(t.Context(), a, 7); return err },
		"unlock": func(s *site, a string) error { _, err := s.Unlock(t.Context(), a, 7); return err },
	}
	for name, order := range orders {
		s := newSite(RestrictRule{})
		for account, want := range map[string]string{"": "no extension given", "AMI/admin": "AMI/admin is a user of the manager interface: change it in manager.conf"} {
			if err := order(s, account); !errors.Is(err, incident.ErrRefused) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v", name, account, err)
			}
		}
		if s.pbx.asked() != "" || len(s.acted) != 0 {
			t.Errorf("%s was refused and yet asked %s, recorded %v", name, s.pbx.asked(), s.acted)
		}
	}
	s := newSite(RestrictRule{})
	if err := orders["unlock"](s, "1002"); !errors.Is(err, incident.ErrRefused) || !strings.Contains(err.Error(), "1002 is not locked or limited") {
		t.Errorf("unlock of what is not locked: %v", err)
	}
}

// While Asterisk is down, what a person asks for fails at once, and leaves nothing behind that
// would be done later. What needs nothing of Asterisk is done all the same.
func TestOrdersWhileAsteriskIsDown(t *testing.T) {
	down := errors.New("no command session")
	for name, order := range map[string]func(s *site) error{
		"rotate":        func(s *site) error { _, err := s.Rotate(t.Context(), "1002", 7); return err },
		"hangup":        func(s *site) error { _, err := s.Hangup(t.Context(), "1002", 7); return err },
		"expire":        func(s *site) error { _, err := s.RemoveRegistrations(t.Context(), "1002", 7); return err },
		"lock":          func(s *site) error { _, err := s.Lock(t.Context(), "1002", 7); return err },
		"unlock locked": func(s *site) error { _, err := s.Unlock(t.Context(), "1003", 7); return err },
	} {
		s := newSite(RestrictRule{})
		s.Runner.Keep(KeeperOptions{Standing: newOffice()})
		s.state.Locks.Restore("1003", "PJSIP=internal")
		s.AtOnce = func(ctx context.Context) (context.Context, error) { return ctx, down }
		if err := order(s); !errors.Is(err, down) {
			t.Errorf("%s: %v", name, err)
		}
		if s.pbx.asked() != "" || s.state.Held("1002") != "" || len(s.state.Orders.List()) != 0 || len(s.holds) != 0 {
			t.Errorf("%s asked %q and left %q, %v, %v", name, s.pbx.asked(), s.state.Held("1002"), s.state.Orders.List(), s.holds)
		}
		if len(s.acted) != 1 || !strings.Contains(s.acted[0], " failed ") {
			t.Errorf("%s is recorded as %q", name, s.acted)
		}
	}
	s := newSite(RestrictRule{})
	s.stolen, s.AtOnce = "1002", func(ctx context.Context) (context.Context, error) { return ctx, down }
	if _, err := s.Unlock(t.Context(), "1002", 7); err != nil {
		t.Errorf("the password was changed by hand: %v", err)
	}
}

// If the session breaks under a person's lock, nothing is kept of it.
func TestLockThatBreaks(t *testing.T) {
	s := newSite(RestrictRule{})
	s.Runner.Keep(KeeperOptions{Standing: newOffice()})
	s.pbx.fail("lock", fmt.Errorf("UpdateConfig: %w", incident.ErrUnreachable))
	if _, err := s.Lock(t.Context(), "1002", 7); !errors.Is(err, incident.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	if s.state.Held("1002") != "" || len(s.state.Orders.List()) != 0 || len(s.holds) != 0 {
		t.Errorf("left %q, %v, %v", s.state.Held("1002"), s.state.Orders.List(), s.holds)
	}
}

func TestLock(t *testing.T) {
	unreached := errors.New("no connection")
	for name, c := range map[string]struct {
		was      []string
		fails    error
		kept     string // "-" for nothing
		enforced bool
		says     string
	}{
		"an ordinary account":        {[]string{"PJSIP=internal"}, nil, "PJSIP=internal", false, "locked; previous context: PJSIP=internal; emergency calls still work"},
		"locked before":              {nil, nil, "unknown", false, "locked; previous context: unknown; whether it can call emergency"},
		"Asterisk cannot be reached": {nil, unreached, "", true, "no connection; while it runs, the daemon ends the calls of 1002 as they come"},
		"locked in part":             {[]string{"PJSIP=internal"}, unreached, "PJSIP=internal in-part", true, "no connection; while it runs"},
		"no such extension":          {nil, fmt.Errorf("%w: no such extension", incident.ErrRefused), "-", false, "refused: no such extension"},
	} {
		s := newSite(RestrictRule{})
		s.pbx.was = c.was
		s.pbx.fail("lock", c.fails)
		detail, err := s.Lock(t.Context(), "1002", 7)
		if err != nil {
			detail = err.Error()
		}
		if !strings.HasPrefix(detail, c.says) {
			t.Errorf("%s: %q, want %q", name, detail, c.says)
		}
		was, locked := s.state.Locks.Get("1002")
		kept, stored := s.holds["lock 1002"]
		if locked != (c.kept != "-") || stored != locked || locked && (was != c.kept || kept != c.kept) {
			t.Errorf("%s: kept %q (%t), in the ledger %q", name, was, locked, kept)
		}
		if got := s.state.Locks.Enforced("1002"); got != c.enforced {
			t.Errorf("%s: its calls are ended: %t", name, got)
		}
	}
}

// A second lock says what the first one kept, and that emergency calls still work.
func TestLockTwice(t *testing.T) {
	s := newSite(RestrictRule{})
	s.pbx.was = []string{"PJSIP=internal"}
	if _, err := s.Lock(t.Context(), "1002", 7); err != nil {
		t.Fatal(err)
	}
	s.pbx.was = nil
	detail, err := s.Lock(t.Context(), "1002", 7)
	if want := "locked; previous context: PJSIP=internal; emergency calls still work"; err != nil || detail != want {
		t.Errorf("%q, %v; want %q", detail, err, want)
	}
	if was, _ := s.state.Locks.Get("1002"); was != "PJSIP=internal" {
		t.Errorf("kept %q", was)
	}
}

// Of an account that is locked in part the daemon ends the calls, until a second
// lock takes the rest; its end gives everything back.
func TestLockInPart(t *testing.T) {
	s := newSite(RestrictRule{})
	s.pbx.was = []string{"PJSIP=internal", "SIP=office", "PJSIP=internal"}
	lock := func(fails error) {
		t.Helper()
		s.pbx.fail("lock", fails)
		if _, err := s.Lock(t.Context(), "1002", 0); (err != nil) != (fails != nil) {
			t.Errorf("lock: %v", err)
		}
		if enforced := s.state.Locks.Enforced("1002"); enforced != (fails != nil) {
			t.Errorf("its calls are ended: %t", enforced)
		}
	}
	unlock := func(want string) {
		t.Helper()
		if _, err := s.Unlock(t.Context(), "1002", 0); err != nil || s.pbx.times(want) != 1 {
			t.Errorf("%v; asked %s", err, s.pbx.asked())
		}
		if len(s.holds) != 0 || s.state.Held("1002") != "" {
			t.Errorf("kept %v", s.holds)
		}
	}
	lock(errors.New("the peer has no section in sip.conf"))
	lock(nil)
	unlock("unlock 1002 PJSIP=internal SIP=office")
	lock(errors.New("the peer has no section in sip.conf"))
	unlock("unlock 1002 PJSIP=internal")
}

// After a person has changed a stolen password by hand, unlock says so, of an account
// of the manager interface, too.
func TestUnlockOfAStolenAccount(t *testing.T) {
	for account, locked := range map[string]bool{"1002": false, "1003": true, "AMI/admin": false} {
		s := newSite(RestrictRule{})
		s.stolen = account
		want := "its password counts as changed"
		if locked {
			s.state.Locks.Restore(account, "PJSIP=internal")
			want = "unlocked; " + want
		}
		if detail, err := s.Unlock(t.Context(), account, 7); err != nil || detail != want || strings.Join(s.cleared, "") != account {
			t.Errorf("%s: %q, %v; cleared %v", account, detail, err, s.cleared)
		}
	}
	s := newSite(RestrictRule{})
	for _, account := range []string{"", "1002", "AMI/admin"} {
		if _, err := s.Unlock(t.Context(), account, 7); !errors.Is(err, incident.ErrRefused) || len(s.cleared) != 0 {
			t.Errorf("%q: %v", account, err)
		}
	}
}

// What could not be given back stays locked.
func TestUnlockThatFails(t *testing.T) {
	s := newSite(RestrictRule{})
	s.state.Locks.Restore("1002", "PJSIP=internal")
	s.pbx.fail("unlock", errors.New("no connection"))
	if _, err := s.Unlock(t.Context(), "1002", 7); err == nil || s.state.Held("1002") != "locked" {
		t.Errorf("held %q, %v", s.state.Held("1002"), err)
	}
	if got := strings.Join(s.acted, "; "); got != "7: unlock failed 1002 unlocked: no connection" {
		t.Errorf("recorded %q", got)
	}
	s = newSite(RestrictRule{})
	s.state.Locks.Restore("1002", "")
	if detail, err := s.Unlock(t.Context(), "1002", 7); err != nil || detail != "Asterisk was never reached" || s.pbx.asked() != "" {
		t.Errorf("%q, %v; asked %s", detail, err, s.pbx.asked())
	}
}

// A person ends a restriction: it does not come back the next moment, and
// whoever is let in by that is no thief.
func TestUnlockOfARestrictedAccount(t *testing.T) {
	for name, locked := range map[string]bool{"restricted": false, "locked, too": true} {
		s := newSite(RestrictRule{Networks: 3, Quiet: time.Hour})
		now := time.Now()
		s.state.Restrictions.Restore(now, "1002", []netip.Prefix{office}, now)
		want := "unrestricted"
		if locked {
			s.state.Locks.Restore("1002", "PJSIP=internal")
			want = "unrestricted; unlocked"
			if held := s.state.Held("1002"); held != "locked, limited to its known networks 198.51.100.0/24" {
				t.Errorf("held %q", held)
			}
		}
		if detail, err := s.Unlock(t.Context(), "1002", 7); err != nil || detail != want {
			t.Errorf("%s: %q, %v", name, detail, err)
		}
		if s.state.Held("1002") != "" || strings.Join(s.cleared, "") != "1002" || s.pbx.times("unrestrict 1002 198.51.100.0/24") != 1 {
			t.Errorf("%s: held %q, cleared %v, asked %s", name, s.state.Held("1002"), s.cleared, s.pbx.asked())
		}
		if why := s.state.Restrictions.Objection(guessedFrom(now, 3), "1002", []netip.Prefix{office}, []netip.Prefix{office}); why != "a person ended its restriction" {
			t.Errorf("%s: %q", name, why)
		}
	}
	s := newSite(RestrictRule{})
	s.state.Restrictions.Restore(time.Now(), "1002", []netip.Prefix{office}, time.Now())
	s.pbx.fail("unrestrict", errors.New("read-only file system"))
	if _, err := s.Unlock(t.Context(), "1002", 7); err == nil || len(s.cleared) != 0 {
		t.Errorf("cleared %v, %v", s.cleared, err)
	}
}
