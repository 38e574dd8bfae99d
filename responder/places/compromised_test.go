package places

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// The registrations of a compromised account protect nothing, neither at once nor after a
// restart, until its password is changed; those of others do.
func TestCompromisedAccountsProtectNothing(t *testing.T) {
	thief := event.SourcePrefix(netip.MustParseAddr("192.0.2.66"))
	var kept []Compromise
	p := New(Config{Compromised: func(c Compromise) { kept = append(kept, c) }}, nil)
	contacts := []Contact{{"1001", office, 5070, "", ""}, {"1002", home, 5060, "", ""}, {"1002", thief.Addr(), 5060, "", ""}}
	p.Know("1002", home, noon)
	p.Know("1002", thief.Addr(), noon) // as if it were the owner's
	p.SetContacts(noon, contacts, never)
	protected := func(p *Places, now time.Time) (list string) {
		p.SetContacts(now, contacts, never)
		for _, a := range []netip.Addr{office, home, thief.Addr()} {
			if p.Why(event.SourcePrefix(a)) != "" {
				list += a.String() + " "
			}
		}
		return list
	}
	if got := protected(p, noon); got != office.String()+" "+home.String()+" "+thief.Addr().String()+" " {
		t.Fatalf("before: %s", got)
	}
	p.Compromise(Compromise{"1002", thief, noon})
	if got := p.Why(thief); got != "" {
		t.Errorf("at once: %s", got)
	}
	if got := p.Objection(thief); got != "" {
		t.Errorf("a ban by hand: %s", got)
	}
	p.Protect(success("1002", thief.Addr()), never)
	if got := protected(p, noon.Add(time.Hour)); got != office.String()+" " {
		t.Errorf("later: %s", got)
	}
	if !p.Doubtful("1002", thief, noon) || p.Doubtful("1002", event.SourcePrefix(home), noon) {
		t.Error("who is doubtful")
	}

	again := New(Config{}, nil)
	again.RestoreCompromise(kept[0])
	if got := protected(again, noon.Add(25*time.Hour)); got != office.String()+" " {
		t.Errorf("after a restart: %s", got)
	}
	if again.Compromised("1002", noon.Add(StolenFor)) {
		t.Errorf("compromised after %s", StolenFor)
	}

	p.ForgetThieves("1002")
	if len(kept) != 2 || !kept[1].At.IsZero() || p.Compromised("1002", noon) {
		t.Errorf("after a change of password: %+v", kept)
	}
	if got := protected(p, noon.Add(2*time.Hour)); got == office.String()+" " {
		t.Errorf("after a change of password: %s", got)
	}
}
