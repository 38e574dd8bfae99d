package responder_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// A stolen password outlives the daemon, until a person says that it was changed.
func TestStolenPasswordIsRemembered(t *testing.T) {
	p := guessing(100)
	p.Observe = true // nobody changes it
	h := newHarness(t, p)
	now := time.Now()
	h.hear(t, now, []byte(proven(failures("1002", "192.0.2.66", 4))+success("1002", "192.0.2.66")))
	h.settled(t)

	h.Engine = h.again(t, now.Add(25*time.Hour), p)
	if list := h.StolenPasswords(now.Add(25 * time.Hour)); len(list) != 1 {
		t.Fatalf("stolen passwords after a crash: %q", list)
	}
	h.hear(t, now.Add(25*time.Hour), []byte(success("1002", "203.0.113.9")))
	if got := thresholds(h.settled(t)); got != "break-in 1002, break-in 1002" {
		t.Errorf("incidents: %s", got)
	}

	if detail, err := h.Accounts.Unlock(t.Context(), "1002", 0); err != nil || detail != "its password counts as changed" {
		t.Errorf("%q, %v", detail, err)
	}
	if _, err := h.Accounts.Unlock(t.Context(), "1002", 0); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("unlocked twice: %v", err)
	}
	h.hear(t, now.Add(26*time.Hour), []byte(success("1002", "203.0.113.10")))
	if got := thresholds(h.settled(t)); got != "break-in 1002, break-in 1002" {
		t.Errorf("incidents after the change: %s", got)
	}
	h.Engine = h.again(t, now.Add(27*time.Hour), p)
	if list := h.StolenPasswords(now.Add(27 * time.Hour)); len(list) != 0 {
		t.Errorf("stolen passwords after the change: %q", list)
	}
}

// Whoever gave an account another password ended the theft.
func TestRotationEndsTheTheft(t *testing.T) {
	h := newHarness(t, guessing(100))
	now := time.Now()
	h.hear(t, now, []byte(proven(failures("1002", "192.0.2.66", 4))+success("1002", "192.0.2.66")))
	h.wait(t, "another password", func() bool { return h.pbx.times("rotate 1002") == 1 && len(h.StolenPasswords(now)) == 0 })
	holds, err := h.ledger.Holds(t.Context())
	if err != nil || len(holds) != 0 {
		t.Errorf("kept %v, %v", holds, err)
	}
}

// What somebody knew long ago is forgotten at a start.
func TestOldTheftsAreForgotten(t *testing.T) {
	h := newHarness(t, guessing(100))
	now := time.Now()
	h.ledger.PutHold(incident.Hold{Account: "1002", Kind: incident.HoldStolen, Value: "192.0.2.66/32", Since: now.Add(-29 * 24 * time.Hour)})
	h.ledger.PutHold(incident.Hold{Account: "1003", Kind: incident.HoldStolen, Value: "192.0.2.66/32", Since: now.Add(-31 * 24 * time.Hour)})
	h.Engine = h.again(t, now, guessing(100))
	holds, err := h.ledger.Holds(t.Context())
	if err != nil || len(holds) != 1 || holds[0].Account != "1002" || len(h.StolenPasswords(now)) != 1 {
		t.Errorf("kept %v, %v; stolen %q", holds, err, h.StolenPasswords(now))
	}
}

// Whoever broke in while the mode was observe is no phone of the owner's after a restart
// in mode enforce, although still registered: the address is banned like any other, and a
// person can ban it without force. The owner's own address stays protected by other phones.
func TestThiefIsNoFamilyAfterARestart(t *testing.T) {
	const thief, owner = "192.0.2.66", "198.51.100.10"
	p := guessing(3)
	p.Observe = true
	h := newHarness(t, p)
	now := time.Now()
	h.hear(t, now, []byte(proven(failures("1002", thief, 4)+success("1002", thief))))
	h.settled(t)

	p.Observe = false
	later := now.Add(time.Minute)
	h.Engine = h.again(t, later, p)
	h.pbx.contacts = []places.Contact{
		{Account: "1002", Source: netip.MustParseAddr(thief), Port: 5060}, {Account: "1001", Source: netip.MustParseAddr(owner), Port: 5060},
	}
	if err := h.Resync(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	for _, is := range h.Protected() {
		if is.Prefix.Addr().String() != owner {
			t.Errorf("protected: %+v", is)
		}
	}
	h.hear(t, later, []byte(failures("1003", thief, 3)+failures("1003", owner, 3)))
	h.settled(t)
	if got := h.scopes(later.Add(2 * time.Second)); got != thief+"/32 sip #0" {
		t.Errorf("bans: %s", got)
	}
	if _, err := h.Bans.Ban(netip.MustParsePrefix(thief+"/32"), time.Time{}, "by hand", false, 0); err != nil {
		t.Errorf("a ban by hand: %v", err)
	}
}

// Once a person has thrown out the registrations of an account, its address can be banned
// without force.
func TestRemovedRegistrationsProtectNothing(t *testing.T) {
	h := newHarness(t, guessing(3))
	at := netip.MustParseAddr("192.0.2.66")
	h.pbx.contacts = []places.Contact{{Account: "1002", Source: at, Port: 5060}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	ban := func() error {
		_, err := h.Bans.Ban(netip.PrefixFrom(at, 32), time.Time{}, "by hand", false, 0)
		return err
	}
	if err := ban(); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("while it is registered: %v", err)
	}
	if _, err := h.Accounts.RemoveRegistrations(t.Context(), "1002", 0); err != nil {
		t.Fatal(err)
	}
	if err := ban(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
