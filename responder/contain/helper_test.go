package contain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

var (
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	office = netip.MustParsePrefix("198.51.100.0/24")
)

// asterisk is the ports Calls and Accounts: it writes down what it is asked, in
// order.
type asterisk struct {
	mu       sync.Mutex
	story    []string
	channels []string // up now
	slips    string   // a channel that slips in while a password is changed
	takes    time.Duration
	fails    map[string]error // by the first word of what is asked
	was      []string         // what Lock gives, one after the other
}

func (a *asterisk) ask(format string, args ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.story = append(a.story, fmt.Sprintf(format, args...))
	return a.fails[strings.Fields(format)[0]]
}

// fail makes what begins with a word fail from now on; nil: no more.
func (a *asterisk) fail(word string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fails == nil {
		a.fails = map[string]error{}
	}
	a.fails[word] = err
}

func (a *asterisk) asked() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.story, "; ")
}

func (a *asterisk) times(what string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.story {
		if s == what {
			n++
		}
	}
	return n
}

func (a *asterisk) Hangup(_ context.Context, account string, spare func() []string) ([]string, error) {
	err := a.ask("hangup %s", account)
	spared := spare()
	a.mu.Lock()
	defer a.mu.Unlock()
	var ended, left []string
	for _, name := range a.channels {
		if slices.Contains(spared, name) {
			left = append(left, name)
		} else {
			ended = append(ended, name)
		}
	}
	a.channels = left
	return ended, err
}

func (a *asterisk) HangupChannel(_ context.Context, channel string) (bool, error) {
	err := a.ask("hangup-call %s", channel)
	return !strings.HasSuffix(channel, "gone"), err
}

func (a *asterisk) Rotate(_ context.Context, account string) (string, error) {
	err := a.ask("rotate %s", account)
	time.Sleep(a.takes)
	a.mu.Lock()
	if a.slips != "" {
		a.channels = append(a.channels, a.slips)
	}
	a.mu.Unlock()
	_ = a.ask("rotated %s", account)
	return "in pjsip.conf", err
}

func (a *asterisk) RemoveRegistrations(_ context.Context, account string) (string, error) {
	return "one removed, one stays", a.ask("expire %s", account)
}

func (a *asterisk) Lock(_ context.Context, account string) (was, detail string, err error) {
	err = a.ask("lock %s", account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.was) > 0 {
		was, a.was = a.was[0], a.was[1:]
	}
	return was, "locked", err
}

func (a *asterisk) Unlock(_ context.Context, account, was string) (string, error) {
	return "unlocked", a.ask("unlock %s %s", account, was)
}

func (a *asterisk) LetCallForHelp(_ context.Context, numbers []string, locked map[string]string) error {
	return a.ask("help %v %v", numbers, locked)
}

func (a *asterisk) Restrict(_ context.Context, account string, to []netip.Prefix) (string, error) {
	return "restricted", a.ask("restrict %s %s", account, incident.PrefixesText(to))
}

func (a *asterisk) Unrestrict(_ context.Context, account string, to []netip.Prefix) (string, error) {
	return "unrestricted", a.ask("unrestrict %s %s", account, incident.PrefixesText(to))
}

// site is a Runner and its Operator with everything around them in memory. It is
// the ports Owner, Channels and Ledger.
type site struct {
	*Operator
	pbx   *asterisk
	state *State
	mu    sync.Mutex // what follows, and the state

	up          int // channels of every account
	strays      []string
	emergencies []string // of every account
	holds       map[string]string
	orders      map[orders.Key]orders.Order
	finished    []string // the steps of each incident as it was finished
	acted       []string
	cleared     []string
	ended       []string // accounts that need not wait any longer
	stolen      string   // the account whose password others know
}

func newSite(rule RestrictRule) *site {
	s := &site{pbx: &asterisk{}, state: &State{Restrictions: NewRestrictions(rule)}, holds: map[string]string{}, orders: map[orders.Key]orders.Order{}}
	s.Operator = &Operator{
		Runner: NewRunner(s.pbx, s.pbx, s.state, s, s, s, zerolog.Nop()),
		Acted: func(_ time.Time, uid uint32, what, target, detail string) {
			s.acted = append(s.acted, strings.TrimSpace(fmt.Sprintf("%d: %s %s %s", uid, what, target, detail)))
		},
		Stolen:       func(_ time.Time, account string) bool { return account == s.stolen },
		ForgetAttack: func(account string) { s.cleared = append(s.cleared, account) },
		EndWaits:     func(account string) { s.ended = append(s.ended, account) },
	}
	return s
}

// numbers are the emergency numbers of every site.
var numbers = []string{"112", "999"}

func (s *site) EmergencyNumbers() func() []string { return func() []string { return numbers } }

func (s *site) With(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *site) Report(i *incident.Incident, n int, state incident.State, detail string) {
	s.With(func() { i.Steps[n].State, i.Steps[n].Detail = state, detail })
}

func (s *site) Finished(i *incident.Incident) {
	s.With(func() { s.finished = append(s.finished, states(i)) })
}

func (s *site) PasswordChanged(account string) string {
	s.With(func() { s.state.Rotations.Set(account, time.Now()) })
	return "its phones that need the new password were last seen at 198.51.100.10"
}

func (s *site) Account(string) int          { return s.up }
func (s *site) Emergencies(string) []string { return s.emergencies }

func (s *site) Strays(string) []string  { return slices.Clone(s.strays) }
func (s *site) PutHold(h incident.Hold) { s.holds[string(h.Kind)+" "+h.Account] = h.Value }
func (s *site) DropHold(account string, kind incident.HoldKind) {
	delete(s.holds, string(kind)+" "+account)
}

func (s *site) PutOrder(o orders.Order) { s.orders[o.Key()] = o }
func (s *site) DropOrder(account string, kind orders.Kind) {
	delete(s.orders, orders.Key{Account: account, Kind: kind})
}

// down records that the channels of every account went down.
func (s *site) down() {
	s.With(func() {
		s.up, s.strays = 0, nil
		s.Runner.ChannelDown()
	})
}

// run has the Runner work until the test ends.
func (s *site) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// enqueue gives an incident to the workers.
func (s *site) enqueue(i *incident.Incident) (refused []int) {
	s.With(func() { refused = s.Runner.Enqueue(i, 0) })
	return refused
}

// breakIn is an incident about 1002 with these steps, all of them intended.
func breakIn(kinds ...incident.StepKind) *incident.Incident {
	i := &incident.Incident{ID: 1, Account: "1002", At: time.Now()}
	for _, k := range kinds {
		i.Steps = append(i.Steps, incident.Step{Step: k, State: incident.Intended})
	}
	return i
}

// states writes an incident's steps as "kind state, …".
func states(i *incident.Incident) string {
	var list []string
	for _, s := range i.Steps {
		list = append(list, string(s.Step)+" "+string(s.State))
	}
	return strings.Join(list, ", ")
}
