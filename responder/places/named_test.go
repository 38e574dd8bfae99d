package places

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Every account is known where a host name on the allow list leads, but a thief is not.
func TestNamed(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	home, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	prefix := event.SourcePrefix(home)
	p := New(Config{}, nil)
	p.Know("1002", other, now)
	named := []Protected{{netip.PrefixFrom(home, 32), "office.example.org on the allow list"}}
	if fresh := p.SetNamed(now, named); len(fresh) != 1 || fresh[0] != prefix || len(p.SetNamed(now, named)) != 0 {
		t.Errorf("fresh: %v", fresh)
	}
	for _, account := range []string{"1001", "1002"} {
		if !p.Known(account, home, now) || !p.KnownSource([]byte(account), prefix, now) || p.Known("1001", other, now) {
			t.Errorf("%s is not known at home", account)
		}
	}
	if p.Why(prefix) != "office.example.org on the allow list" || p.Allowed(prefix) || p.Objection(prefix) == "" || !p.Near(now, home) {
		t.Errorf("protected: %q, allowed %t", p.Why(prefix), p.Allowed(prefix))
	}
	p.MarkThief([]byte("1002"), prefix, now, true)
	if p.Known("1002", home, now) || !p.Known("1001", home, now) {
		t.Error("a thief is known")
	}
	p.SetNamed(now, []Protected{{netip.PrefixFrom(other, 32), "office.example.org on the allow list"}})
	if p.Known("1001", home, now) || p.Why(prefix) != "" {
		t.Error("known where the name led before")
	}
}
