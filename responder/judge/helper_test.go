package judge_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
	"github.com/tollwarden/tollwarden/responder/spending"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	office = "198.51.100.10"
	thief  = "192.0.2.66"
)

// recorder is the Effects: it writes down what a Judge decides, in order, and
// does what of it a Judge depends on.
type recorder struct {
	judge     *judge.Judge
	log       []string
	incidents []*incident.Incident
	dropped   map[netip.Prefix]incident.Ban
	thieves   map[string]string        // by account, as they were last kept
	holds     map[string]incident.Hold // by account and kind, as they were last kept
	partial   []string                 // changes of partial blocks
	costs     map[string]incident.Cost // of calls, by channel, as they were last recorded
	noted     string                   // about the effect of a ban
	delivered bool                     // the messages about incidents were sent
	noRoom    bool                     // to end calls
	asks      bool                     // where calls come from, and with which User-Agent
	asked     []calls.Sign

	compromised places.Compromise // as it was last kept
}

func (r *recorder) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// effects lists what happened since the last call.
func (r *recorder) effects() string {
	log := strings.Join(r.log, "; ")
	r.log = nil
	return log
}

func (r *recorder) Begin(i *incident.Incident, record func()) {
	defer record()
	for n, s := range i.Steps {
		if s.Step == incident.StepHangupCall && s.State == incident.Intended {
			if r.noRoom {
				i.Steps[n].State, i.Steps[n].Detail = incident.Failed, "too many calls to end at once"
				continue
			}
			r.note("end %s", s.Target)
		}
	}
	for _, s := range i.Steps {
		if s.Ban.Prefix.IsValid() && !s.Ban.Observed {
			r.drop("drop", s.Ban)
		}
	}
}

func (r *recorder) Join(i *incident.Incident, first int, record func()) {
	r.note("join #%d", first)
	part := *i
	part.Steps = i.Steps[first:]
	r.Begin(&part, record)
}

func (r *recorder) Extend(i *incident.Incident, first int, more []incident.Evidence) {
	r.note("extend %s %s", i.Threshold, i.Key.Value())
	r.carryOut(i, first)
}

func (r *recorder) Undelivered(*incident.Incident) bool { return !r.delivered }
func (r *recorder) Amend(i *incident.Incident)          { r.note("amend %s", i.Reason) }

func (r *recorder) Prolong(b incident.Ban) {
	if !b.Observed {
		r.drop("prolong", b)
	}
}

func (r *recorder) drop(what string, b incident.Ban) {
	r.note("%s %s %s #%d", what, incident.PrefixText(b.Prefix), b.Scope, b.Offence)
	r.dropped[b.Prefix] = b
}

func (r *recorder) Record(i *incident.Incident) {
	i.ID = int64(len(r.incidents) + 1)
	r.incidents = append(r.incidents, i)
	r.note("record %s %s", i.Threshold, i.Key.Value())
	r.carryOut(i, 0)
}

func (r *recorder) carryOut(i *incident.Incident, first int) {
	contains := false
	for n := first; n < len(i.Steps); n++ {
		s := &i.Steps[n]
		s.Ban.Incident, s.Ban.Step = i.ID, n
		switch s.Step {
		case incident.StepHangup, incident.StepRotate, incident.StepLock, incident.StepRemoveRegistrations:
			contains = contains || s.State == incident.Intended
		}
		if s.Flow.At.IsValid() && s.State == incident.Intended {
			r.note("drop the %s %s", s.Flow.Kind(), s.Flow.At)
		}
	}
	if contains { // as a contain.Runner does
		r.judge.Contain.Sessions.Begin(i.Account, i.ID)
	}
}

func (r *recorder) Promote(b incident.Ban) { r.drop("promote", b) }
func (r *recorder) Renew(b incident.Ban)   { r.drop("renew", b) }
func (r *recorder) Widen(b incident.Ban)   { r.drop("widen", b) }

func (r *recorder) NoteStep(id int64, s incident.Step) {
	for _, i := range r.incidents {
		for n := range i.Steps {
			if i.ID == id && i.Steps[n].Step == s.Step && i.Steps[n].Target == s.Target {
				i.Steps[n].Detail = s.Detail
			}
		}
	}
}

func (r *recorder) NoteBan(b incident.Ban, s incident.Step) {
	r.noted = fmt.Sprintf("#%d/%d %s: %s", b.Incident, b.Step, s.State, s.Detail)
}

func (r *recorder) Release(b incident.Ban, by string) {
	r.note("release %s: %s", incident.PrefixText(b.Prefix), by)
	delete(r.dropped, b.Prefix)
}

func (r *recorder) DropFlow(f incident.Flow, within time.Duration) {
	r.note("drop the %s %s again for %s", f.Kind(), f.At, within)
}

func (r *recorder) LiftFlow(b incident.PartialBlock) { r.note("lift the flow %s", b.Flow) }

func (r *recorder) PartialChanged(b incident.PartialBlock, change incident.BanChange) {
	r.partial = append(r.partial, b.Target()+" "+string(change))
}

func (r *recorder) Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool) {
	if r.noRoom {
		return false
	}
	r.note("suspect %s for %s, but not %v", incident.PrefixText(at), within, live)
	return true
}

func (r *recorder) CloseConnections(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool) {
	if r.noRoom {
		return false
	}
	r.note("close %s for %s, but not %v", incident.PrefixText(at), within, live)
	return true
}

func (r *recorder) Compromised(c places.Compromise) {
	r.compromised = c
}

func (r *recorder) BanChanged(b incident.Ban, change incident.BanChange) {
	r.note("%s %s", incident.PrefixText(b.Prefix), change)
}

func (r *recorder) EndCall(channel string) { r.note("end %s", channel) }
func (r *recorder) Sweep(account string)   { r.note("sweep %s", account) }
func (r *recorder) ChannelDown()           {}

func (r *recorder) Call(c contain.IncidentCall) {
	if r.costs == nil {
		r.costs = map[string]incident.Cost{}
	}
	r.costs[c.Call.Channel] = c.Call.Cost
	ended := "is up"
	if !c.Call.Ended.IsZero() {
		ended = "took " + c.Call.Ended.Sub(c.Call.Began).String()
	}
	r.note("call %s of incident %v %s", c.Call.Dialled, c.Incidents, ended)
}

func (r *recorder) AskSource(s calls.Sign, _ []byte) bool {
	if r.asks {
		r.asked = append(r.asked, s)
		r.note("where does %s come from", s.Channel)
	}
	return r.asks
}

func (r *recorder) AskUserAgent(c calls.Channel, _ []byte) bool {
	if r.asks {
		r.note("with what does %s call", c.Name)
	}
	return r.asks
}

func (r *recorder) ThievesChanged(account string, thieves []netip.Prefix, _ time.Time) {
	r.thieves[account] = fmt.Sprint(thieves)
}

func (r *recorder) AccountWaits(w contain.Waiting) {
	if len(w.Steps) == 0 {
		r.note("%s no longer waits", w.Account)
		return
	}
	r.note("%s waits: %s", w.Account, w.Words())
}

func (r *recorder) HoldChanged(h incident.Hold) {
	r.holds[fmt.Sprint(h.Account, " ", h.Kind)] = h
}

func (r *recorder) HoldEnded(account string, kind incident.HoldKind) {
	delete(r.holds, fmt.Sprint(account, " ", kind))
}
func (r *recorder) AddressLearned(places.Address)  {}
func (r *recorder) NetworkLearned(places.Network)  {}
func (r *recorder) HabitLearned(calls.Habit)       {}
func (r *recorder) SpendingUsed(spending.Use)      {}
func (r *recorder) SpendingForgiven(string, int64) {}

func (r *recorder) GuessChanged(slow.Guess) {}
func (r *recorder) SlowRaised(slow.Raised)  {}

// guessing is a policy that bans an address at so many wrong passwords.
func guessing(threshold int) judge.Policy {
	points := map[score.Signal]int{score.InvalidPassword: 1, score.ChallengeResponseFailed: 1}
	return judge.Policy{
		Thresholds: []score.Threshold{
			{Name: "password guessing", Per: score.PerSource, Points: points, Score: threshold, Within: time.Hour, Playbook: "block"},
			{Name: "scanning", Per: score.PerSource, Points: map[score.Signal]int{score.InvalidAccountID: 1, score.Tampering: 5}, Score: 5, Within: time.Hour, Playbook: "block"},
			{Name: "break-in", Per: score.PerAccount, Points: map[score.Signal]int{score.SuccessAfterFailures: 1}, Score: 1, Within: time.Hour, Playbook: "compromise"},
			{Name: "new place", Per: score.PerAccount, Points: map[score.Signal]int{score.NewPlaceAfterFailures: 1}, Score: 1, Within: time.Hour, Playbook: "probation"},
		},
		Playbooks: map[string][]incident.StepKind{
			"block":      {incident.StepBan},
			"probation":  {incident.StepLimitCosts, incident.StepNotify},
			"compromise": {incident.StepBan, incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations},
		},
		Ladder:     decide.Ladder{Times: []time.Duration{time.Hour, 24 * time.Hour}, Forget: 30 * 24 * time.Hour, Spoofable: []time.Duration{10 * time.Minute}},
		Username:   "warden",
		DropsFlows: true,
	}
}

// site is a Judge with its recorder, for the phones 1001 to 1003 and a carrier.
type site struct {
	*judge.Judge
	*recorder
	parser event.Parser
}

func newSite(t testing.TB, p judge.Policy) *site {
	t.Helper()
	r := &recorder{dropped: map[netip.Prefix]incident.Ban{}, thieves: map[string]string{}, holds: map[string]incident.Hold{}}
	j, err := judge.New(noon, p, r)
	if err != nil {
		t.Fatal(err)
	}
	r.judge = j
	j.Calls.List([]calls.Account{{Name: "1001", Login: true}, {Name: "1002", Login: true}, {Name: "1003", Login: true}, {Name: "carrier"}})
	return &site{Judge: j, recorder: r}
}

// hear plays a transcript of AMI, a block each 100 ms.
func (s *site) hear(t testing.TB, from time.Time, transcript string) {
	t.Helper()
	r := ami.NewReader(strings.NewReader(transcript))
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		s.handle(from, b)
		from = from.Add(100 * time.Millisecond)
	}
}

// handle takes one block as the daemon does.
func (s *site) handle(now time.Time, b *event.Block) {
	var e event.Event
	switch err := s.parser.Parse(b, &e); {
	case err == nil:
		s.Event(now, intake.SensorAMI, &e)
	case errors.Is(err, event.ErrTampered):
		forged := event.Event{Raw: b.Raw}
		forged.Remote, forged.Transport, _ = s.parser.TrueSource()
		s.Tampered(now, intake.SensorAMI, &forged)
	default:
		s.Ignored()
	}
}

// sees takes an event that the event session reports.
func (s *site) sees(at time.Time, e event.Event) { s.Event(at, intake.SensorAMI, &e) }

// rings sets up a call.
func (s *site) rings(at time.Time, channel, dialled string) {
	s.sees(at, event.Event{Kind: event.Newchannel, Channel: []byte(channel), Exten: []byte(dialled), ChannelState: event.StateRing})
}

// hangsUp ends a call.
func (s *site) hangsUp(at time.Time, channel string) {
	s.sees(at, event.Event{Kind: event.Hangup, Channel: []byte(channel)})
}

// bans are the bans in force with their scopes, in order.
func (s *site) bans(now time.Time) string {
	var list []string
	for _, b := range s.Bans.List(now) {
		list = append(list, fmt.Sprintf("%s %s #%d", b.Prefix, b.Scope, b.Offence))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// verdicts are the incidents by threshold and key, the oldest first.
func (s *site) verdicts() string {
	var names []string
	for _, i := range s.incidents {
		names = append(names, i.Threshold+" "+i.Key.Value())
	}
	return strings.Join(names, ", ")
}

// registered takes these phones in at the office, at ports from 5070.
func (s *site) registered(now time.Time, accounts ...string) {
	var list []places.Contact
	for i, a := range accounts {
		list = append(list, places.Contact{Account: a, Source: netip.MustParseAddr(office), Port: uint16(5070 + i), Agent: "Snom " + a})
	}
	s.SetContacts(now, list, nil)
}

// challenged has a nonce leave for whom it is for.
func (s *site) challenged(at time.Time, to string) {
	addr := netip.MustParseAddr(to)
	s.Challenged(at, addr, []netip.Addr{addr}, []byte("1/a"))
}

// security writes one security event as PJSIP raises it.
func security(kind, account, session, source, extra string) string {
	severity := "Error"
	if kind == "SuccessfulAuth" || kind == "ChallengeSent" {
		severity = "Informational"
	}
	return "Event: " + kind + "\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: " + severity +
		"\r\nService: PJSIP\r\nEventVersion: 1\r\nAccountID: " + account + "\r\nSessionID: " + session +
		"\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/" + source + "/5060\r\n" + extra + "\r\n"
}

func failure(account, source string, n int) string {
	return security("ChallengeResponseFailed", account, fmt.Sprintf("%s-%d", source, n), source, "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n")
}

func failures(account, source string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(failure(account, source, i))
	}
	return b.String()
}

func success(account, source string) string {
	return security("SuccessfulAuth", account, "s-"+source, source, "UsingPassword: 1\r\n")
}

// over is the same over a connection, whose address is certain.
func over(transport, events string) string {
	return strings.ReplaceAll(events, "/UDP/", "/"+transport+"/")
}

// of is the same of another service.
func of(service, events string) string {
	return strings.ReplaceAll(events, "Service: PJSIP", "Service: "+service)
}

// from moves events to another port.
func from(port int, events string) string {
	return strings.ReplaceAll(events, "/5060\r\nC", fmt.Sprintf("/%d\r\nC", port))
}

// breakIn is an account guessed at by a network, and then a success of one of its
// addresses.
func breakIn(account string) string {
	return over("TCP", failures(account, "192.0.2.67", 2)+failures(account, "192.0.2.68", 2)) + success(account, thief)
}

// guessedAt is an account that others guess at.
func guessedAt(account string) string {
	return over("TCP", failures(account, "203.0.113.1", 2)+failures(account, "203.0.113.2", 2))
}

// ordinary is what a PBX says on a quiet day: phones that register, from a
// hundred places, and now and then a mistyped password.
func ordinary() []byte {
	var b bytes.Buffer
	for i := range 100 {
		source := fmt.Sprintf("198.51.100.%d", i)
		account := fmt.Sprint(1000 + i)
		b.WriteString(security("ChallengeSent", account, fmt.Sprintf("c-%d", i), source, "Challenge: \r\n"))
		b.WriteString(success(account, source))
	}
	return b.Bytes()
}
