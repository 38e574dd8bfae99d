package responder_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// undone is an Asterisk in which another program undid whatever was ordered. It is the port
// Standing.
type undone struct {
	*exchange
	strangers []netip.Addr // of those that were asked about
}

func (u *undone) Live(_ context.Context, account string) (orders.Live, error) {
	live := orders.Live{Contexts: map[string]string{"PJSIP": "internal"}, Permits: map[string]string{"PJSIP": ""}, Passwords: []orders.Fingerprint{"stolen"}}
	if u.times("lock "+account) > 0 {
		live.Contexts["PJSIP"] = orders.LockedContext
	}
	if u.times("restrict "+account+" [198.51.100.0/24]") > 0 {
		live.Permits["PJSIP"] = "198.51.100.0/24"
	}
	if u.times("restore "+account) > 0 {
		live.Passwords[0] = "ours"
	}
	return live, nil
}

func (u *undone) Round(bool) func(context.Context, string) (orders.Live, error) { return u.Live }

func (u *undone) ReloadedAt(context.Context) (string, error) { return "", nil }

func (u *undone) RestorePassword(_ context.Context, account string) (string, error) {
	u.note("restore " + account)
	return "in pjsip.conf", nil
}

func (u *undone) Rotatable(context.Context, string) error { return nil }

func (u *undone) Isolate(context.Context) (int, error) { return 0, nil }

func (u *undone) RemoveTraces(context.Context, string) (string, error) { return "", nil }

func (u *undone) Evict(_ context.Context, _ string, stranger func(netip.Addr) bool, _ func() []string) (int, []string, error) {
	for _, at := range []string{"198.51.100.10", "192.0.2.66", "203.0.113.9"} {
		if a := netip.MustParseAddr(at); stranger(a) {
			u.strangers = append(u.strangers, a)
		}
	}
	u.note("evict")
	return 0, nil, nil
}

// What stood before the daemon was killed is compared at its start and put back: orders of
// the ledger, and the locks and restrictions that an older version left. Whoever came in
// meanwhile is out, unless the account was used there before.
func TestOrdersSurviveAKill(t *testing.T) {
	h := idleHarness(t, noon, guessing(3))
	since := time.Now().Add(-time.Hour)
	h.ledger.PutHold(incident.Hold{Account: "1001", Kind: incident.HoldLock, Value: "PJSIP=internal", Since: since})
	h.ledger.PutHold(incident.Hold{Account: "1002", Kind: incident.HoldRestriction, Value: "198.51.100.0/24", Since: time.Now()})
	rotated := orders.New(since, "1003", orders.Rotate, 41, nil)
	rotated.New, rotated.Old = []orders.Fingerprint{"ours"}, []orders.Fingerprint{"stolen"}
	h.ledger.PutOrder(*rotated)
	if err := h.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := make(chan contain.News, 16)
	pbx := &undone{exchange: h.pbx}
	var err error
	h.Engine, err = responder.New(t.Context(), time.Now(), guessing(3), responder.Parts{
		Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Standing: pbx, Ledger: h.ledger, Log: zerolog.Nop(), OnOrder: func(n contain.News) { told <- n },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Allow([]netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}); err != nil {
		t.Fatal(err)
	}
	h.run(t)
	h.Reloaded() // a session to Asterisk begins
	h.wait(t, "the repairs", func() bool {
		return h.pbx.times("lock 1001") == 1 && h.pbx.times("restrict 1002 [198.51.100.0/24]") == 1 && h.pbx.times("restore 1003") == 1 && h.pbx.times("evict") > 0
	})
	for range 3 {
		if n := <-told; n.Alarm || !strings.Contains(n.Order.Reason, "put back") {
			t.Errorf("told of %s, alarm %v", n.Order.Words(), n.Alarm)
		}
	}
	if len(pbx.strangers) != 2 || pbx.strangers[0] != netip.MustParseAddr("198.51.100.10") {
		t.Errorf("strangers are %v: nothing is known of 1003, and one address is on the allow list", pbx.strangers)
	}
	if list := h.Orders(); len(list) != 3 || len(h.Senses(time.Now()).Broken) > 0 {
		t.Errorf("orders are %v", list)
	}
	if _, err := h.Accounts.Unlock(t.Context(), "1001", 0); err != nil {
		t.Error(err)
	}
	if err := h.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := h.ledger.Orders(t.Context())
	if err != nil || len(kept) != 2 || len(kept[1].Repairs) != 1 {
		t.Errorf("kept are %+v, %v", kept, err)
	}
}

// In mode observe only what a person ordered is put back.
func TestOrdersInObserve(t *testing.T) {
	h := idleHarness(t, noon, guessing(3))
	h.ledger.PutOrder(*orders.New(noon, "1001", orders.Lock, 41, nil))
	h.ledger.PutOrder(*orders.New(noon, "1002", orders.Lock, 0, nil))
	if err := h.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	policy := guessing(3)
	policy.Observe = true
	var err error
	h.Engine, err = responder.New(t.Context(), time.Now(), policy, responder.Parts{
		Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Standing: &undone{exchange: h.pbx}, Ledger: h.ledger, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.run(t)
	h.Reloaded()
	h.wait(t, "the person's lock", func() bool { return h.pbx.times("lock 1002") == 1 })
	if n := h.pbx.times("lock 1001"); n != 0 {
		t.Errorf("the lock of an incident was put back %d times", n)
	}
}
