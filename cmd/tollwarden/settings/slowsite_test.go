package settings

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/slow"
)

// slowThresholds are the thresholds that look at days.
var slowThresholds = []string{"guessing for days", "network guesses for days", "slow distributed attack", "wrong passwords for days", "guessing campaign"}

// slowSite is a PBX in virtual time with a daemon on its defaults. Its kernel drops who
// is banned, and its ledger keeps what a restart needs.
type slowSite struct {
	judge.Discard
	judge     *judge.Judge
	policy    judge.Policy
	now       time.Time
	pruned    time.Time
	serial    int
	transport event.Transport // of the events; over TCP addresses are proven
	incidents []incident.Incident
	bans      []incident.Ban

	addresses map[string]places.Address
	networks  map[string]places.Network
	guesses   map[string]slow.Guess
	raised    []slow.Raised
}

var firstDay = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// slowPolicy is the default policy without some thresholds.
func slowPolicy(t testing.TB, without ...string) judge.Policy {
	t.Helper()
	policy, err := Policy(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	policy.NoReceiver = false
	for i := len(policy.Thresholds) - 1; i >= 0; i-- {
		if slices.Contains(without, policy.Thresholds[i].Name) {
			policy.Thresholds = slices.Delete(policy.Thresholds, i, i+1)
		}
	}
	return policy
}

func newSlowSite(t testing.TB, policy judge.Policy, transport event.Transport) *slowSite {
	t.Helper()
	s := &slowSite{
		policy: policy, now: firstDay, pruned: firstDay, transport: transport,
		addresses: map[string]places.Address{}, networks: map[string]places.Network{}, guesses: map[string]slow.Guess{},
	}
	s.start(t)
	return s
}

// start starts the daemon with what the ledger holds.
func (s *slowSite) start(t testing.TB) {
	t.Helper()
	old := s.judge
	var err error
	if s.judge, err = judge.New(s.now, s.policy, s); err != nil {
		t.Fatal(err)
	}
	var list []calls.Account
	for i := range 50 {
		list = append(list, calls.Account{Name: fmt.Sprint(1001 + i), Login: true, Sure: true})
	}
	s.judge.Calls.List(list)
	if old == nil {
		return
	}
	for _, a := range s.addresses {
		s.judge.Places.Know(a.Account, a.Source.Addr(), a.At)
	}
	for _, n := range s.networks {
		s.judge.Places.RestoreNetwork(s.now, n)
	}
	var guesses []slow.Guess
	for _, g := range s.guesses {
		guesses = append(guesses, g)
	}
	s.judge.Slow.Restore(s.now, guesses)
	for _, r := range s.raised {
		s.judge.Slow.RestoreRaised(r)
	}
	for _, ban := range old.Bans.List(s.now) {
		s.judge.Bans.Put(ban)
		if ban.Offence > 0 {
			s.judge.Offences.Set(ban.Prefix, ban.Offence, ban.Since)
		}
	}
}

func (s *slowSite) Record(i *incident.Incident) {
	i.ID = int64(len(s.incidents) + 1)
	s.incidents = append(s.incidents, i.Clone())
	for _, step := range i.Steps {
		if step.Ban.Prefix.IsValid() {
			s.bans = append(s.bans, step.Ban)
		}
	}
}
func (s *slowSite) Promote(b incident.Ban) { s.bans = append(s.bans, b) }

func (s *slowSite) AddressLearned(a places.Address) { s.addresses[a.Account+a.Source.String()] = a }
func (s *slowSite) NetworkLearned(n places.Network) { s.networks[n.Account+n.Prefix.String()] = n }
func (s *slowSite) GuessChanged(g slow.Guess)       { s.guesses[g.Account+g.Source.String()] = g }
func (s *slowSite) SlowRaised(r slow.Raised)        { s.raised = append(s.raised, r) }

// until lets the time pass.
func (s *slowSite) until(at time.Time) {
	s.now = at
	if at.Sub(s.pruned) >= time.Hour {
		s.pruned = at
		s.judge.Prune(at)
	}
}

// attempt sends one attempt, unless the kernel drops it.
func (s *slowSite) attempt(kind event.Kind, account string, source netip.Addr, transport event.Transport) {
	if ban, banned := s.judge.Bans.Covering(s.now, netip.PrefixFrom(source, source.BitLen())); banned && (ban.Scope != incident.ScopeSIP || transport == event.UDP) {
		return
	}
	s.serial++
	s.judge.Event(s.now, intake.SensorAMI, &event.Event{
		Kind: kind, Service: []byte("PJSIP"), AccountID: []byte(account), SessionID: fmt.Appendf(nil, "s%d", s.serial),
		Remote: netip.AddrPortFrom(source, 5060), Transport: transport, Challenge: []byte("1/a"), UsingPassword: true,
	})
}

func (s *slowSite) fail(account string, source netip.Addr) {
	s.attempt(event.ChallengeResponseFailed, account, source, s.transport)
}

func (s *slowSite) login(account string, source netip.Addr) {
	s.attempt(event.SuccessfulAuth, account, source, s.transport)
}

// told counts the incidents that a person gets a message about, by threshold.
func (s *slowSite) told() map[string]int {
	told := map[string]int{}
	for _, i := range s.incidents {
		if slices.ContainsFunc(i.Steps, func(s incident.Step) bool { return s.Step == incident.StepNotify && s.State == incident.Intended }) {
			told[i.Threshold]++
		}
	}
	return told
}

// bannedFor counts the bans by what brought them.
func (s *slowSite) bannedFor() map[string]int {
	by := map[string]int{}
	for _, b := range s.bans {
		by[b.Origin]++
	}
	return by
}

// bannedSources are the addresses that a ban on at least this evidence covered.
func (s *slowSite) bannedSources(proven bool) map[netip.Prefix]bool {
	all := map[netip.Prefix]bool{}
	for _, b := range s.bans {
		if !proven || b.Offence > 0 {
			all[b.Prefix] = true
		}
	}
	return all
}
