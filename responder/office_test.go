package responder_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
)

const office = "198.51.100.10"

// sharedOffice is a site with phones of these accounts at one address.
func sharedOffice(t *testing.T, accounts ...string) *harness {
	t.Helper()
	h := newHarness(t, guessing(3))
	for i, a := range accounts {
		h.pbx.contacts = append(h.pbx.contacts, places.Contact{
			Account: a, Source: netip.MustParseAddr(office), Port: uint16(5070 + i), Agent: "Snom " + a,
		})
	}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.challenged(noon, office, "1/a") // the nonce of failure
	return h
}

// from moves events to another port.
func from(port int, events string) string {
	return strings.ReplaceAll(events, office+"/5060", fmt.Sprintf("%s/%d", office, port))
}

// challenged has a nonce leave for whom it is for.
func (h *harness) challenged(at time.Time, to, nonce string) {
	h.answered(at, netip.MustParseAddr(to), nonce, netip.MustParseAddr(to))
}

// answered has a nonce leave for an address, in the answer to one of these.
func (h *harness) answered(at time.Time, to netip.Addr, nonce string, of ...netip.Addr) {
	if !to.IsValid() {
		h.Missed(at)
		return
	}
	via := "SIP/2.0/UDP phone"
	for _, a := range of {
		via += ";received=" + a.String()
	}
	h.Received(at, netip.AddrPortFrom(to, 5060), []byte("REGISTER sip:pbx SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n\r\n"))
	h.Sent(at, netip.AddrPortFrom(to, 5060), []byte("SIP/2.0 401 Unauthorized\r\nVia: "+via+
		"\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"asterisk\",nonce=\""+nonce+"\"\r\n\r\n"))
}

func (h *harness) flows() string {
	h.watch.mu.Lock()
	defer h.watch.mu.Unlock()
	return fmt.Sprint(h.watch.flows)
}

// One phone's stale password costs its own flow, again and again, and makes one
// incident that says which phone it is.
func TestStalePasswordInAnOffice(t *testing.T) {
	h := sharedOffice(t, "1001", "1002", "1003", "1004")
	for i := range 5 {
		h.hear(t, noon.Add(time.Duration(i)*10*time.Second), []byte(from(5073, failures("1004", office, 3))))
	}
	list := h.settled(t)
	if got := h.scopes(noon.Add(time.Minute)); got != "" {
		t.Errorf("banned: %s", got)
	}
	want := fmt.Sprint(slices.Repeat([]netip.AddrPort{netip.MustParseAddrPort(office + ":5073")}, 5))
	for range 500 {
		if h.flows() == want {
			break
		}
		time.Sleep(10 * time.Millisecond) // renewals are no steps to wait for
	}
	if got := h.flows(); got != want {
		t.Errorf("flows: %s, want %s", got, want)
	}
	if len(list) != 1 {
		t.Fatalf("%d incidents: %s", len(list), thresholds(list))
	}
	if s := list[0].Steps[0]; s.State != "done" || s.Target != office+":5073" || !strings.Contains(s.Detail, `the phone of extension "1004" (User-Agent "Snom 1004") has a wrong password`) {
		t.Errorf("step: %+v", s)
	}
}

// A flow is dropped for as long as its plan says, whatever is reloaded while it
// waits for the kernel, and the incident says so.
func TestFlowIsDroppedAsPlanned(t *testing.T) {
	h := idleHarness(t, noon, guessing(3))
	for _, a := range []string{"1001", "1002", "1003"} {
		h.pbx.contacts = append(h.pbx.contacts, places.Contact{Account: a, Source: netip.MustParseAddr(office)})
	}
	if err := h.Resync(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	h.challenged(noon, office, "1/a")
	h.hear(t, noon, []byte(failures("1003", office, 3)))
	later := guessing(3)
	later.Ladder.Spoofable = []time.Duration{time.Minute}
	if err := h.Configure(later); err != nil {
		t.Fatal(err)
	}
	h.run(t)
	list := h.settled(t)
	h.watch.mu.Lock()
	defer h.watch.mu.Unlock()
	if len(h.watch.within) != 1 || h.watch.within[0] != 10*time.Minute {
		t.Errorf("dropped for %v, want 10 minutes", h.watch.within)
	}
	if detail := list[0].Steps[0].Detail; !strings.Contains(detail, "until 2026-11-22 12:10:00 UTC, and again while it goes on") || !strings.Contains(detail, "`tollwarden unban "+office+":5060` then lets it through") {
		t.Errorf("the incident says %q", detail)
	}
}

// A person sees whose flow is dropped and lifts it: the kernel lets the phone through,
// and its next mistakes count anew. So it is after a restart.
func TestUnbanOfAFlow(t *testing.T) {
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	for i, a := range []string{"1001", "1002", "1003"} {
		h.pbx.contacts = append(h.pbx.contacts, places.Contact{Account: a, Source: netip.MustParseAddr(office), Port: uint16(5070 + i)})
	}
	if err := h.Resync(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	block := func(at time.Time) incident.PartialBlock {
		t.Helper()
		h.challenged(at, office, "1/a")
		h.hear(t, at, []byte(from(5072, failures("1003", office, 3))))
		h.settled(t)
		for range 500 {
			if len(h.watch.Flows()) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		list := h.Bans.ListPartial(at)
		if len(list) != 1 {
			t.Fatalf("listed: %+v", list)
		}
		return list[0]
	}
	b := block(now)
	if b.Target() != office+":5072" || b.Account != "1003" || b.Incident != 1 || b.Until.Sub(now) < 9*time.Minute {
		t.Errorf("listed %+v", b)
	}
	flow := netip.MustParseAddrPort(office + ":5072")
	for i, unban := range []func() (bans.Released, error){
		func() (bans.Released, error) { return h.Bans.UnbanFlow(flow, false, 7) },
		func() (bans.Released, error) { return h.Bans.Unban(netip.MustParsePrefix(office+"/32"), false, 7) },
		func() (bans.Released, error) { return h.Bans.UnbanAll(false, 7) },
	} {
		at := now.Add(time.Duration(i+1) * time.Second)
		r, err := unban()
		if err != nil || len(r.Partial) != 1 || len(h.watch.Flows()) > 0 || len(h.Bans.ListPartial(at)) > 0 {
			t.Fatalf("%v, released %+v, the kernel drops %v", err, r, h.watch.Flows())
		}
		h.hear(t, at, []byte(from(5072, failures("1003", office, 2))))
		if list := h.Bans.ListPartial(at); len(list) > 0 {
			t.Errorf("after two mistakes: %+v", list)
		}
		h.Bans.ClearScore(netip.MustParsePrefix(office + "/32"))
		block(at)
	}
	if _, err := h.Bans.UnbanFlow(netip.MustParseAddrPort(office+":5099"), false, 7); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("another flow: %v", err)
	}

	h.watch.refuse(errors.New("the kernel does not answer"))
	if _, err := h.Bans.UnbanFlow(flow, false, 7); err == nil || len(h.Bans.ListPartial(now)) != 1 {
		t.Errorf("%v, listed %+v", err, h.Bans.ListPartial(now))
	}
	h.watch.refuse(nil)

	if err := h.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := responder.New(t.Context(), time.Now(), guessing(3), responder.Parts{
		Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Watch: h.watch, Ledger: h.ledger, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	list := again.Bans.ListPartial(time.Now())
	if len(list) != 1 || list[0].Flow != flow || list[0].Account != "1003" || list[0].Incident != 1 || list[0].Reason == "" || list[0].Phone != `the phone of extension "1003"` {
		t.Fatalf("after a restart: %+v", list)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- again.Run(ctx) }()
	if _, err := again.Bans.UnbanFlow(flow, false, 7); err != nil || len(h.watch.Flows()) > 0 {
		t.Errorf("after a restart: %v, the kernel drops %v", err, h.watch.Flows())
	}
	if stop(); <-ended != nil {
		t.Error("the engine failed")
	}
}

// Whoever attacks from an office's address loses what was used, and the phones there
// nothing: the kernel is asked for a flow, a connection, a throttle or a closed address.
func TestAttackFromAnOffice(t *testing.T) {
	many := func(port int) string {
		return from(port, failures("1001", office, 1)+failures("1002", office, 1)+failures("1003", office, 1))
	}
	ports := func(n int) string {
		var b strings.Builder
		for port := range n {
			b.WriteString(many(6000 + port))
		}
		return b.String()
	}
	tcp := func(events string) string { return strings.ReplaceAll(events, "/UDP/", "/TCP/") }
	const live = "[198.51.100.10:5070 198.51.100.10:5071]"
	for name, tc := range map[string]struct {
		events string
		want   string
	}{
		"many accounts":     {many(6000), "flow 198.51.100.10:6000"},
		"over a connection": {tcp(many(6000)), "connection 198.51.100.10:6000"},
		"many ports":        {ports(4), "suspect 198.51.100.10/32 for 10m0s without " + live},
		"many connections":  {tcp(ports(4)), "close 198.51.100.10/32 for 10m0s without " + live},
	} {
		t.Run(name, func(t *testing.T) {
			h := sharedOffice(t, "1001", "1002")
			h.hear(t, noon, []byte(tc.events))
			h.settled(t)
			if got := h.scopes(noon.Add(time.Minute)); got != "" {
				t.Errorf("bans: %q", got)
			}
			for deadline := time.Now().Add(5 * time.Second); !slices.Contains(h.watch.asked(), tc.want); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("asked for %q, want %s", h.watch.asked(), tc.want)
				}
			}
		})
	}
}

// After a restart of the daemon and of Asterisk no phone has signed in yet: that others
// live at an address is known from the ledger.
func TestStalePhoneAfterARestart(t *testing.T) {
	p := guessing(3)
	p.Known = 30 * 24 * time.Hour
	h := newHarness(t, p)
	for i := range 20 {
		h.ledger.PutPlace(ledger.Place{Account: fmt.Sprint(1001 + i), Prefix: netip.MustParsePrefix(office + "/32"), LastSuccess: noon.Add(-24 * time.Hour)})
	}
	h.Engine = h.again(t, noon, p)
	h.run(t)
	if err := h.Resync(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	h.challenged(noon, office, "1/a")
	h.hear(t, noon, []byte(from(5073, failures("1004", office, 3))))
	list := h.settled(t)
	if got := h.scopes(noon.Add(time.Minute)); got != "" || len(list) != 1 || list[0].Steps[0].Target != office+":5073" {
		t.Errorf("bans %q, incidents %+v", got, list)
	}
}

// Forged packets drop nobody's flow.
func TestForgedFlow(t *testing.T) {
	h := sharedOffice(t, "1001", "1002", "1003")
	forged := strings.ReplaceAll(failures("1003", office, 30), "Challenge: 1/a", "Challenge: invented")
	h.hear(t, noon, []byte(from(5070, forged)))
	list := h.settled(t)
	if got := h.scopes(noon.Add(time.Second)) + h.flows(); got != "[]" || len(list) != 1 {
		t.Errorf("dropped: %s, %d incidents", got, len(list))
	}
}

// A nonce proves the source it was sent to, for a while, and no other.
func TestNonces(t *testing.T) {
	thief := netip.MustParseAddr("192.0.2.66")
	for name, tc := range map[string]struct {
		to    netip.Addr
		nonce string
		at    time.Duration
		want  string
	}{
		"it answers what it got":        {thief, "1/a", -time.Second, "192.0.2.66/32 all #1"},
		"it answers what another got":   {thief.Next(), "1/a", -time.Second, "192.0.2.66/32 sip #0"},
		"it answers something invented": {thief, "1/b", -time.Second, "192.0.2.66/32 sip #0"},
		"it answers what it got before": {thief, "1/a", -10 * time.Minute, "192.0.2.66/32 sip #0"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, guessing(3))
			h.challenged(noon.Add(tc.at), tc.to.String(), tc.nonce)
			h.hear(t, noon, []byte(failures("1002", thief.String(), 3)))
			h.settled(t)
			if got := h.scopes(noon.Add(time.Second)); got != tc.want {
				t.Errorf("bans: %s, want %s", got, tc.want)
			}
		})
	}
}

// A nonce that went elsewhere is no proof for whom it was for, and a login of
// his proves nothing for a while. That somebody wrote his address into another
// answer costs him no more than the latter. When challenges were missed, nothing
// over UDP is proof. Who is connected proves as much as ever.
func TestAnswersAstray(t *testing.T) {
	victim, forger := netip.MustParseAddr("198.51.100.44"), netip.MustParseAddr("192.0.2.66")
	guesses := failures("1002", victim.String(), 3)
	login := proven(failures("1003", "198.51.100.45", 2)+failures("1003", "198.51.100.46", 2)) + success("1003", victim.String())
	leaked := func(h *harness) { h.answered(noon, forger, "1/a", victim) }
	const claimed, proved = "198.51.100.44/32 sip #0", "198.51.100.44/32 all #1"
	for name, tc := range map[string]struct {
		misdirected func(h *harness)
		after       time.Duration
		events      string
		want        string
	}{
		"its nonce":              {leaked, time.Second, guesses, claimed},
		"another's nonce":        {func(h *harness) { h.answered(noon, forger, "1/b", victim.Next()) }, time.Second, guesses, proved},
		"its nonce before":       {func(h *harness) { h.answered(noon, forger, "1/b", victim) }, time.Second, guesses, proved},
		"its nonce, disguised":   {func(h *harness) { h.answered(noon, forger, "1/a", netip.Addr{}, victim) }, time.Second, guesses, claimed},
		"its nonce, of nobody":   {func(h *harness) { h.answered(noon, forger, "1/a") }, time.Second, guesses, claimed},
		"of one or another":      {func(h *harness) { h.answered(noon, victim, "1/a", victim, victim) }, time.Second, guesses, claimed},
		"written by an attacker": {func(h *harness) { h.answered(noon, forger, "1/b", victim, forger) }, time.Second, guesses, proved},
		"some were missed":       {func(h *harness) { h.answered(noon, netip.Addr{}, "") }, time.Second, guesses, claimed},
		"long after":             {leaked, 11 * time.Minute, guesses, proved},
		"a connection":           {leaked, time.Second, proven(guesses), proved},
		"a login":                {leaked, time.Second, login, claimed},
		"a login, disguised":     {func(h *harness) { h.answered(noon, forger, "1/b", netip.Addr{}, forger, victim) }, time.Second, login, claimed},
		"some missed, a login":   {func(h *harness) { h.answered(noon, netip.Addr{}, "") }, time.Second, login, claimed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, guessing(3))
			tc.misdirected(h)
			at := noon.Add(tc.after)
			h.challenged(at, victim.String(), "1/a")
			h.hear(t, at, []byte(tc.events))
			h.settled(t)
			if got := h.scopes(at.Add(time.Second)); got != tc.want {
				t.Errorf("bans: %s, want %s", got, tc.want)
			}
		})
	}
}

// While nothing over UDP is proof, it is said, and for how long.
func TestUnprovenIsTold(t *testing.T) {
	h := newHarness(t, guessing(3))
	if left := h.Senses(noon).ProofSuspended; left != 0 {
		t.Errorf("for %s before anything was missed", left)
	}
	h.answered(noon, netip.Addr{}, "")
	for after, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, 9 * time.Minute: time.Minute, 10 * time.Minute: 0, time.Hour: 0} {
		if left := h.Senses(noon.Add(after)).ProofSuspended; left != want {
			t.Errorf("%s after: for %s, want %s", after, left, want)
		}
	}
}

// Six phones behind one address, one of them with last year's password, for
// ten minutes: it tries every second and again when its flow is let through,
// the five log in every five. Nothing but its flow is ever dropped, and one
// incident names it.
func TestSixPhonesForTenMinutes(t *testing.T) {
	accounts := []string{"1001", "1002", "1003", "1004", "1005", "1006"}
	h := sharedOffice(t, accounts...)
	sixth := netip.MustParseAddrPort(office + ":5075")
	tries, logins, dropped := 0, 0, time.Time{}
	for second := range 600 {
		at := noon.Add(time.Duration(second) * time.Second)
		if second%5 == 0 {
			for i, a := range accounts[:5] {
				h.hear(t, at, []byte(from(5070+i, success(a, office))))
				logins++
			}
		}
		if at.Before(dropped) {
			continue // the kernel's work
		}
		h.challenged(at, office, "1/a")
		before := h.Counters().Flows
		h.hear(t, at, []byte(from(5075, failure("1006", office, tries))))
		if tries++; h.Counters().Flows > before {
			dropped = at.Add(2 * time.Minute)
		}
		if second%60 == 0 {
			h.Prune(at)
		}
		if bans := h.scopes(at); bans != "" {
			t.Fatalf("after %d s: banned %s", second, bans)
		}
	}
	list := h.settled(t)
	if len(list) != 1 || !strings.Contains(list[0].Steps[0].Detail, `the phone of extension "1006" (User-Agent "Snom 1006") has a wrong password`) {
		t.Fatalf("incidents %s: %+v, want one that names the sixth", thresholds(list), list)
	}
	if n := h.Counters().Flows; n < 4 {
		t.Errorf("its flow was dropped %d times", n)
	}
	h.watch.mu.Lock()
	defer h.watch.mu.Unlock()
	for _, f := range h.watch.flows {
		if f != sixth {
			t.Errorf("the flow %s was dropped", f)
		}
	}
	t.Logf("%d tries, %d logins of the five, its flow dropped %d times", tries, logins, len(h.watch.flows))
}
