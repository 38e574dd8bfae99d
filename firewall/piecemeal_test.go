package firewall

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// Include adds to what is in force and removes nothing.
func TestInclude(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "198.51.100.1/32", "10.0.0.0/8")
		now := w.now()
		must(t, w.Include(now, append(
			w.bans(now, 2*time.Hour, "198.51.100.1/32", "198.51.100.2/32", "10.1.0.0/16", "2001:db8:a::/64"),
			w.bans(now, -time.Second, "198.51.100.4/32")...)))
		must(t, w.Complete(now))
		w.expect(t, true, "198.51.100.1", "198.51.100.2", "10.0.0.1", "10.1.0.1", "2001:db8:a::1")
		w.expect(t, false, "198.51.100.4")
		for _, b := range w.Bans(now) {
			if b.Prefix.String() == "198.51.100.1/32" && !b.Until.Equal(now.Add(2*time.Hour).UTC()) {
				t.Errorf("the ban with another end ends at %s", b.Until)
			}
		}
	})
}

// An unread set stays in force until everything that belongs there is included;
// then the rest goes.
func TestUnreadIsCompleted(t *testing.T) {
	for name, tc := range map[string]struct {
		include []string
		arrives bool // 198.51.100.8
	}{
		"with all that it held":  {[]string{"198.51.100.7/32", "198.51.100.8/32", "198.51.100.9/32"}, false},
		"with less than it held": {[]string{"198.51.100.7/32"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			l, k := unreadLab(t)
			must(t, k.Include(time.Now(), forHosts(time.Hour, tc.include...)))
			if l.arrives(t, netip.MustParseAddr("198.51.100.8")) {
				t.Error("an unread ban ended before all were included")
			}
			must(t, k.Complete(time.Now()))
			if l.arrives(t, netip.MustParseAddr("198.51.100.8")) != tc.arrives {
				t.Errorf("198.51.100.8 arrives: %t", !tc.arrives)
			}
			if got := len(k.Bans(time.Now())); got != len(tc.include) {
				t.Errorf("%d bans, want %d", got, len(tc.include))
			}
			if err := k.Repair(time.Now()); err != nil {
				t.Errorf("repair: %v", err)
			}
		})
	}
}

// After a table is lost, the mirror is complete again.
func TestUnreadIsLost(t *testing.T) {
	l, k := unreadLab(t)
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.9/32")...))
	must(t, k.drop(k.name))
	must(t, k.Repair(time.Now()))
	for a, want := range map[string]bool{"198.51.100.7": true, "198.51.100.9": false} {
		if l.arrives(t, netip.MustParseAddr(a)) != want {
			t.Errorf("%s arrives: %v", a, !want)
		}
	}
}

// What was not read cannot be repaired.
func TestUnreadIsNotRepaired(t *testing.T) {
	_, k := unreadLab(t)
	if err := k.Repair(time.Now()); !errors.Is(err, ErrUnread) {
		t.Errorf("repair: %v", err)
	}
}
