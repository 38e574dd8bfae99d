package responder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// memoryFirewall keeps the bans that a kernel would.
type memoryFirewall struct {
	mu   sync.Mutex
	bans map[netip.Prefix]incident.Ban
}

func (w *memoryFirewall) Ban(_ time.Time, bans []incident.Ban) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range bans {
		w.bans[b.Prefix] = b
	}
	return nil
}

func (w *memoryFirewall) Release(prefixes ...netip.Prefix) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range prefixes {
		delete(w.bans, p)
	}
	return nil
}

func (w *memoryFirewall) Reconcile(_ time.Time, bans []incident.Ban) error {
	w.mu.Lock()
	w.bans = map[netip.Prefix]incident.Ban{}
	w.mu.Unlock()
	return w.Ban(time.Time{}, bans)
}

func (w *memoryFirewall) Bans(time.Time) []incident.Ban {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []incident.Ban
	for _, b := range w.bans {
		list = append(list, b)
	}
	return list
}

func (w *memoryFirewall) Allow([]netip.Prefix) error { return nil }

func (w *memoryFirewall) ban(source netip.Addr) (incident.Ban, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, ok := w.bans[netip.PrefixFrom(source, source.BitLen())]
	return b, ok
}

func (w *memoryFirewall) dropped() []string {
	var list []string
	for _, b := range w.Bans(time.Time{}) {
		list = append(list, b.Prefix.String())
	}
	slices.Sort(list)
	return list
}

// exchange is a PBX that writes down what it is asked to do.
type exchange struct {
	mu       sync.Mutex
	asked    map[string]int
	contacts []places.Contact
	trusted  []places.Protected
	untold   error // beside trusted
	accounts []calls.Account
	up       []calls.Channel
	whence   netip.AddrPort // where every call comes from
	refusal  error          // of a restriction
}

func (x *exchange) note(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked[what]++
}

// times is how often it was asked.
func (x *exchange) times(what string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.asked[what]
}

func (x *exchange) Hangup(_ context.Context, account string, _ func() []string) ([]string, error) {
	x.note("hangup " + account)
	return nil, nil
}

func (x *exchange) HangupChannel(_ context.Context, channel string) (bool, error) {
	x.note("hangup-call " + channel)
	return true, nil
}

func (x *exchange) CallSource(_ context.Context, channel string) (netip.AddrPort, error) {
	x.note("whence " + channel)
	return x.whence, nil
}

func (x *exchange) CallUserAgent(_ context.Context, channel string) (string, error) {
	x.note("agent " + channel)
	return "", nil
}

func (x *exchange) Accounts(context.Context) ([]calls.Account, error) { return x.accounts, nil }

func (x *exchange) Lock(_ context.Context, account string) (string, string, error) {
	x.note("lock " + account)
	return "PJSIP=internal", "locked", nil
}

func (x *exchange) Unlock(_ context.Context, account, was string) (string, error) {
	x.note("unlock " + account + " " + was)
	return "unlocked", nil
}

func (x *exchange) LetCallForHelp(context.Context, []string, map[string]string) error { return nil }

func (x *exchange) Restrict(_ context.Context, account string, to []netip.Prefix) (string, error) {
	x.note(fmt.Sprintf("restrict %s %v", account, to))
	return "restricted", x.refusal
}

func (x *exchange) Unrestrict(_ context.Context, account string, to []netip.Prefix) (string, error) {
	x.note(fmt.Sprintf("lift %s %v", account, to))
	return "lifted", x.refusal
}

func (x *exchange) Rotate(_ context.Context, account string) (string, error) {
	x.note("rotate " + account)
	return "changed", nil
}

func (x *exchange) RemoveRegistrations(_ context.Context, account string) (string, error) {
	x.note("expire " + account)
	return "none removed", nil
}

func (x *exchange) Contacts(context.Context) ([]places.Contact, error) { return x.contacts, nil }

func (x *exchange) Forwards(context.Context) ([]calls.Forward, error) { return nil, nil }

func (x *exchange) UnannouncedContacts(context.Context) ([]places.Contact, error) { return nil, nil }

func (x *exchange) Carriers(context.Context) ([]places.Protected, error) {
	return x.trusted, x.untold
}
func (x *exchange) Channels(context.Context) ([]calls.Channel, error) { return x.up, nil }

// flowRecorder writes down what it is asked to drop, and whom to suspect.
type flowRecorder struct {
	mu     sync.Mutex
	flows  []netip.AddrPort
	within []time.Duration

	suspects []string
	refuses  error

	flowsUntil                 map[netip.AddrPort]time.Time // dropped now
	connectionsUntil           map[netip.AddrPort]time.Time
	suspectsUntil, closedUntil map[netip.Prefix]time.Time
	cannot                     error    // throttle
	all                        []string // what it was asked for
}

func (l *flowRecorder) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func (l *flowRecorder) drop(kind string, within time.Duration, flow netip.AddrPort) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flows, l.within = append(l.flows, flow), append(l.within, within)
	l.all = append(l.all, fmt.Sprint(kind, " ", flow))
	if l.refuses != nil {
		return l.refuses
	}
	ends := &l.flowsUntil
	if kind == "connection" {
		ends = &l.connectionsUntil
	}
	if *ends == nil {
		*ends = map[netip.AddrPort]time.Time{}
	}
	if (*ends)[flow] = time.Now().Add(within); within == 0 {
		delete(*ends, flow)
	}
	return nil
}

func (l *flowRecorder) DropFlow(within time.Duration, flow netip.AddrPort) error {
	return l.drop("flow", within, flow)
}

func (l *flowRecorder) DropConnection(within time.Duration, connection netip.AddrPort) error {
	return l.drop("connection", within, connection)
}

func (l *flowRecorder) Connections() map[netip.AddrPort]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.connectionsUntil)
}

func (l *flowRecorder) Closed() map[netip.Prefix]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.closedUntil)
}

func (l *flowRecorder) Kept(netip.Prefix) []netip.AddrPort { return nil }

func (l *flowRecorder) CloseConnections(within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprint("close ", at, " for ", within, " without ", live))
	if l.closedUntil == nil {
		l.closedUntil = map[netip.Prefix]time.Time{}
	}
	if l.closedUntil[at] = time.Now().Add(within); within == 0 {
		delete(l.closedUntil, at)
	}
	return nil
}

// refuse has the next changes refused.
func (l *flowRecorder) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuses = err
}

func (l *flowRecorder) Flows() map[netip.AddrPort]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.flowsUntil)
}

func (l *flowRecorder) Suspects() map[netip.Prefix]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.suspectsUntil)
}

func (l *flowRecorder) Live(netip.Prefix) []netip.AddrPort { return nil }

func (l *flowRecorder) Suspect(within time.Duration, at netip.Prefix, live []netip.AddrPort) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspects = append(l.suspects, fmt.Sprint(at, " for ", within, " without ", live))
	l.all = append(l.all, "suspect "+l.suspects[len(l.suspects)-1])
	if l.refuses != nil {
		return l.refuses
	}
	if l.suspectsUntil == nil {
		l.suspectsUntil = map[netip.Prefix]time.Time{}
	}
	if l.suspectsUntil[at] = time.Now().Add(within); within == 0 {
		delete(l.suspectsUntil, at)
	}
	return nil
}

func (l *flowRecorder) suspected() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.suspects)
}

func (l *flowRecorder) Throttles() error { return l.cannot }

// harness is an engine with everything around it in memory.
type harness struct {
	*responder.Engine
	kernel *memoryFirewall
	pbx    *exchange
	ledger *ledger.Ledger
	watch  *flowRecorder
}

func guessing(threshold int) judge.Policy {
	points := map[score.Signal]int{score.InvalidPassword: 1, score.ChallengeResponseFailed: 1}
	return judge.Policy{
		Thresholds: []score.Threshold{
			{Name: "password guessing", Per: score.PerSource, Points: points, Score: threshold, Within: time.Hour, Playbook: "block"},
			{Name: "scanning", Per: score.PerSource, Points: map[score.Signal]int{score.InvalidAccountID: 1, score.Tampering: 5}, Score: 5, Within: time.Hour, Playbook: "block"},
			{Name: "break-in", Per: score.PerAccount, Points: map[score.Signal]int{score.SuccessAfterFailures: 1}, Score: 1, Within: time.Hour, Playbook: "compromise"},
		},
		Playbooks: map[string][]incident.StepKind{
			"block":      {incident.StepBan},
			"compromise": {incident.StepBan, incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations},
		},
		Ladder:   decide.Ladder{Times: []time.Duration{time.Hour, 24 * time.Hour}, Forget: 30 * 24 * time.Hour, Spoofable: []time.Duration{10 * time.Minute}},
		Username: "warden",
	}
}

// intrusion is an account guessed at by a network, and then a success of one of its
// addresses.
func intrusion(account string) string {
	return proven(failures(account, "192.0.2.67", 2)+failures(account, "192.0.2.68", 2)) + success(account, "192.0.2.66")
}

func newHarness(t *testing.T, p judge.Policy) *harness {
	t.Helper()
	return newHarnessAt(t, noon, p)
}

func newHarnessAt(t *testing.T, now time.Time, p judge.Policy) *harness {
	t.Helper()
	h := idleHarness(t, now, p)
	h.run(t)
	return h
}

// idleHarness is a harness whose engine does not run yet.
func idleHarness(t *testing.T, now time.Time, p judge.Policy) *harness {
	t.Helper()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{kernel: &memoryFirewall{bans: map[netip.Prefix]incident.Ban{}}, pbx: &exchange{asked: map[string]int{}}, ledger: l, watch: &flowRecorder{}}
	h.Engine, err = responder.New(t.Context(), now, p, responder.Parts{Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Watch: h.watch, Ledger: l, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// run has the responder work until the test ends.
func (h *harness) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func(r *responder.Engine) { done <- r.Run(ctx) }(h.Engine)
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// wait polls until a condition holds.
func (h *harness) wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited for %s", what)
}

// hear plays a transcript of AMI, a block each 100 ms.
func (h *harness) hear(t *testing.T, from time.Time, transcript []byte) {
	t.Helper()
	r := ami.NewReader(bytes.NewReader(transcript))
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		h.Handle(from, b)
		from = from.Add(100 * time.Millisecond)
	}
}

func (h *harness) capture(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile("../ami/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	_, data, _ = bytes.Cut(data, []byte("\r\n")) // the banner
	h.hear(t, noon, data)
}

// security writes one security event as PJSIP raises it.
func security(event, account, session, source, extra string) string {
	severity := "Error"
	if event == "SuccessfulAuth" || event == "ChallengeSent" {
		severity = "Informational"
	}
	return "Event: " + event + "\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: " + severity +
		"\r\nService: PJSIP\r\nEventVersion: 1\r\nAccountID: " + account + "\r\nSessionID: " + session +
		"\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/" + source + "/5060\r\n" + extra + "\r\n"
}

func failure(account, source string, n int) string {
	return security("ChallengeResponseFailed", account, fmt.Sprintf("%s-%d", source, n), source, "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n")
}

func success(account, source string) string {
	return security("SuccessfulAuth", account, "s-"+source, source, "UsingPassword: 1\r\n")
}

func failures(account, source string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(failure(account, source, i))
	}
	return b.String()
}

// proven is the same over a connection, which nobody forges.
func proven(events string) string { return strings.ReplaceAll(events, "/UDP/", "/TCP/") }

// settled waits until nothing is intended any more and returns the incidents,
// oldest first.
func (h *harness) settled(t *testing.T) []incident.Incident {
	t.Helper()
	for range 500 {
		open, err := h.ledger.OpenSteps(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			list, err := h.ledger.Incidents(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(list)
			return list
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("steps stay open")
	return nil
}

func thresholds(list []incident.Incident) string {
	var names []string
	for _, i := range list {
		names = append(names, i.Threshold+" "+i.Key.Value())
	}
	return strings.Join(names, ", ")
}

// The attacks recorded from real Asterisks: five wrong guesses, the right one,
// and calls.
func TestRecordedBreakIns(t *testing.T) {
	for _, name := range []string{"fraud-asterisk22-pjsip.txt", "fraud-asterisk16-chansip.txt"} {
		t.Run(name, func(t *testing.T) {
			p := guessing(10)
			p.Calls.Limits.Variants = 3
			h := newHarness(t, p)
			h.capture(t, name)
			list := h.settled(t)
			if got := thresholds(list); got != "break-in 1002" {
				t.Errorf("incidents: %s", got)
			}
			if got := h.kernel.dropped(); !slices.Equal(got, []string{"192.0.2.66/32"}) {
				t.Errorf("dropped: %v", got)
			}
			for _, what := range []string{"hangup 1002", "rotate 1002", "expire 1002"} {
				if h.pbx.times(what) == 0 {
					t.Errorf("the PBX was not asked to %s", what)
				}
			}
			i, err := h.ledger.Incident(t.Context(), list[0].ID)
			if err != nil || len(i.Evidence) != 6 || i.Evidence[5].Signal != score.SuccessAfterFailures {
				t.Errorf("evidence: %+v, %v; want five failures and the success", i.Evidence, err)
			}
		})
	}
}

// Forged lines accuse nobody but, with the address that Asterisk itself wrote,
// their sender.
func TestForgedEventsAreNotBelieved(t *testing.T) {
	h := newHarness(t, guessing(3))
	h.capture(t, "injection-asterisk22.txt")
	h.settled(t)
	if got := h.kernel.dropped(); slices.Contains(got, "8.8.8.8/32") || !slices.Equal(got, []string{"192.0.2.66/32"}) {
		t.Errorf("dropped: %v, want the forger's own address alone", got)
	}
	if h.Counters().Tampered == 0 {
		t.Error("no tampering was counted")
	}
}

func TestVerdicts(t *testing.T) {
	office, thief := "198.51.100.10", "192.0.2.66"
	for name, tc := range map[string]struct {
		events string
		want   string
	}{
		"three guesses": {failures("1002", thief, 3), "password guessing 192.0.2.66"},
		"two guesses":   {failures("1002", thief, 2), ""},
		"what was in the queues makes one incident":  {failures("1002", thief, 50), "password guessing 192.0.2.66"},
		"a challenge is no failure":                  {strings.Repeat(security("ChallengeSent", "1002", "c", thief, "Challenge: \r\n"), 50), ""},
		"a mistyping user":                           {failure("1002", office, 1) + success("1002", office), ""},
		"a known user who mistypes":                  {success("1002", office) + failures("1002", office, 2) + success("1002", office), ""},
		"attackers fail, one of them succeeds":       {intrusion("1002"), "break-in 1002"},
		"attackers fail, the owner at home succeeds": {success("1002", office) + failures("1002", "203.0.113.1", 2) + failures("1002", "203.0.113.2", 2) + success("1002", office), ""},
		"our own login":                              {strings.ReplaceAll(success("warden", "127.0.0.1"), "PJSIP", "AMI"), ""},
		"canaries of a process before this one": {
			strings.Repeat(strings.ReplaceAll(failure(intake.CanaryName+"X", "127.0.0.1", 1), "PJSIP", "AMI"), 9), "",
		},
		"the manager's password is guessed": {
			strings.ReplaceAll(strings.ReplaceAll(failures("admin", thief, 3), "PJSIP", "AMI"), "/UDP/", "/TCP/"), "password guessing 192.0.2.66",
		},
		"a break-in on the manager": {
			strings.ReplaceAll(intrusion("admin"), "PJSIP", "AMI"), "break-in AMI/admin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, guessing(3))
			h.SetOwn(netip.MustParseAddr("127.0.0.1"))
			h.hear(t, noon, []byte(tc.events))
			if got := thresholds(h.settled(t)); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// The window of a threshold is the time it says, no more and no less.
func TestTheWindowIsExact(t *testing.T) {
	for _, tc := range []struct {
		third time.Duration
		want  int
	}{{time.Hour - time.Millisecond, 1}, {time.Hour, 0}} {
		h := newHarness(t, guessing(3))
		h.hear(t, noon, []byte(failure("1002", "192.0.2.66", 1)))
		h.hear(t, noon.Add(time.Minute), []byte(failure("1002", "192.0.2.66", 2)))
		h.hear(t, noon.Add(tc.third), []byte(failure("1002", "192.0.2.66", 3)))
		if got := len(h.settled(t)); got != tc.want {
			t.Errorf("third guess after %s: %d incidents, want %d", tc.third, got, tc.want)
		}
	}
}

func TestTheLadder(t *testing.T) {
	h := newHarness(t, guessing(3))
	now := noon
	for _, want := range []time.Duration{time.Hour, 24 * time.Hour, 24 * time.Hour} {
		h.hear(t, now, []byte(proven(failures("1002", "192.0.2.66", 3))))
		h.settled(t)
		bans := h.Bans.List(now.Add(time.Second))
		if len(bans) != 1 {
			t.Fatalf("%d bans at %s", len(bans), now)
		}
		if got := bans[0].Until.Sub(bans[0].Since); got != want {
			t.Errorf("offence %d lasts %s, want %s", bans[0].Offence, got, want)
		}
		now = bans[0].Until.Add(time.Minute)
	}
}

// The rightful owner's phone fails with the secret we changed; at home that is
// forgiven, from anywhere else it is a guess.
func TestGraceAfterARotation(t *testing.T) {
	office := "198.51.100.10"
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	h.hear(t, now, []byte(success("1002", office)+intrusion("1002")))
	h.settled(t)
	if n := h.pbx.times("rotate 1002"); n != 1 {
		t.Fatalf("rotated %d times", n)
	}
	later := now.Add(time.Minute)
	h.hear(t, later, []byte(failures("1002", office, 20)))
	h.hear(t, later, []byte(failures("1002", "203.0.113.9", 3)))
	h.settled(t)
	if got := h.kernel.dropped(); slices.Contains(got, office+"/32") || !slices.Contains(got, "203.0.113.9/32") {
		t.Errorf("dropped: %v; want the attacker and not the owner", got)
	}
	if h.Counters().GracePeriod != 20 {
		t.Errorf("%d failures forgiven, want 20", h.Counters().GracePeriod)
	}
}

// Asterisk's registrations protect their sources from evidence that can be
// forged; the allow list protects from everything.
func TestProtectedSources(t *testing.T) {
	p := guessing(3)
	p.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	h := newHarness(t, p)
	h.pbx.contacts = []places.Contact{{Account: "1001", Source: netip.MustParseAddr("198.51.100.10")}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.hear(t, noon, []byte(failures("1002", "198.51.100.10", 3)+failures("1002", "203.0.113.5", 3)))
	list := h.settled(t)
	if got := h.kernel.dropped(); len(got) != 0 {
		t.Errorf("dropped: %v", got)
	}
	for i, want := range []string{"protected (registered contact of 1001), and the evidence can be spoofed; throttled until 2026-11-22 12:10:00 UTC, and longer while it goes on: at most 10 guesses a minute get through over UDP, the registered phones keep working; `tollwarden unban 198.51.100.10` ends that", "on the allow list"} {
		if len(list) != 2 || list[i].Steps[0].Detail != want {
			t.Errorf("incident %d of %d does not say %q: %+v", i, len(list), want, list)
		}
	}
	h.run(t)
	for deadline := time.Now().Add(5 * time.Second); len(h.watch.suspected()) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := h.watch.suspected(); !slices.Equal(got, []string{"198.51.100.10/32 for 10m0s without []"}) {
		t.Errorf("suspected: %v", got)
	}
	h.hear(t, noon.Add(time.Minute), []byte(proven(failures("1002", "198.51.100.10", 3))))
	h.settled(t)
	if got := h.kernel.dropped(); len(got) != 0 || !slices.Contains(h.watch.asked(), "connection 198.51.100.10:5060") {
		t.Errorf("dropped on proof: %v, asked for %q", got, h.watch.asked())
	}
}

func TestObserveChangesNothing(t *testing.T) {
	p := guessing(3)
	p.Observe = true
	h := newHarness(t, p)
	h.hear(t, noon, []byte(proven(failures("1002", "192.0.2.66", 20))+success("1002", "192.0.2.66")))
	if got := thresholds(h.settled(t)); got != "break-in 1002" {
		t.Errorf("incidents: %s", got)
	}
	if len(h.kernel.dropped()) != 0 || len(h.pbx.asked) != 0 {
		t.Errorf("changed something: %v, %v", h.kernel.dropped(), h.pbx.asked)
	}
}

func TestOperatorsOrders(t *testing.T) {
	p := guessing(3)
	p.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	h := newHarness(t, p)
	network := netip.MustParsePrefix("192.0.2.0/24")
	if _, err := h.Bans.Ban(network, time.Time{}, "test", false, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Bans.Unban(netip.MustParsePrefix("192.0.2.66/32"), false, 0); !errors.Is(err, incident.ErrRefused) || !strings.Contains(err.Error(), "held by the ban of 192.0.2.0/24") {
		t.Errorf("unban inside a banned prefix: %v", err)
	}
	if _, err := h.Bans.Ban(netip.MustParsePrefix("203.0.113.7/32"), time.Time{}, "", false, 0); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("ban of an allowed address: %v", err)
	}
	if _, err := h.Bans.Unban(network, false, 0); err != nil {
		t.Error(err)
	}
	if got := h.kernel.dropped(); len(got) != 0 {
		t.Errorf("dropped after the release: %v", got)
	}
	// Released is forgiven: two more mistakes are not the third of before.
	h.hear(t, noon, []byte(failures("1002", "192.0.2.66", 2)))
	if _, err := h.Bans.Ban(netip.MustParsePrefix("192.0.2.66/32"), time.Time{}, "", false, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Bans.Unban(netip.MustParsePrefix("192.0.2.66/32"), false, 0); err != nil {
		t.Fatal(err)
	}
	h.hear(t, noon.Add(time.Minute), []byte(failures("1002", "192.0.2.66", 2)))
	if got := h.settled(t); len(got) != 0 {
		t.Errorf("incidents: %s", thresholds(got))
	}
}

// The INVITE that gave the thief away is a channel only after all is done: it
// is ended all the same, and what comes much later is not.
func TestTheCallOfTheBreakInItself(t *testing.T) {
	p := guessing(3)
	p.Playbooks["compromise"] = []incident.StepKind{incident.StepBan, incident.StepHangup}
	h := newHarness(t, p)
	now := time.Now()
	h.hear(t, now, []byte(intrusion("1002")))
	h.settled(t)
	before := h.pbx.times("hangup 1002")
	rings := func(at time.Time, name string) {
		h.Report(at, intake.SensorAMI, &event.Event{Kind: event.Newchannel, Channel: []byte(name), Exten: []byte("0044")})
	}
	rings(now.Add(time.Second), "PJSIP/1002-00000001")
	for deadline := time.Now().Add(10 * time.Second); h.pbx.times("hangup 1002") == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the call is left alone")
		}
	}
	late := now.Add(time.Hour)
	h.Prune(late)
	rings(late, "PJSIP/1002-00000002")
	time.Sleep(20 * time.Millisecond)
	if got := h.pbx.times("hangup 1002"); got != before+1 {
		t.Errorf("%d hang-ups after the break-in, want 1", got-before)
	}
}
