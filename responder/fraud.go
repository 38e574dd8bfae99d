package responder

import (
	"bytes"
	"context"
	"net/netip"
	"runtime"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Limits of what is asked and ended about single calls.
const (
	enders       = 4 // goroutines that hang up single calls
	maxEndings   = 1024
	maxStrangers = 1024
	// askWithin bounds the question where a call comes from.
	askWithin = 2 * time.Second
	// watchEvery is how often what should have happened by now is looked at.
	watchEvery = time.Second
)

// signOf gives the signal of each kind of sign: the one of its name.
var signOf = func() (of map[calls.Kind]score.Signal) {
	of = map[calls.Kind]score.Signal{}
	for _, k := range calls.Kinds() {
		s, err := score.ParseSignal(k.String())
		if err != nil {
			panic("responder: " + err.Error())
		}
		of[k] = s
	}
	return of
}()

// tooManyContacts is the ACLName of a login that was right and came to one
// registration too many (res_pjsip_registrar.c).
var tooManyContacts = []byte("registrar_attempt_exceeds_maximum_configured_contacts")

// question is about one call: where it comes from.
type question struct {
	sign calls.Sign // about the call; waits for the source
	text []byte     // of the event that raised the sign
}

// handset is one call whose User-Agent is asked for. It waits in a queue of its
// own: nothing that is known of a call waits for that.
type handset struct {
	call calls.Channel
	text []byte // of the event that set the call up
}

// ending is one call to be hung up. incident is nil when the call is of a
// locked account.
type ending struct {
	incident *Incident
	n        int
	channel  string
}

// Listening tells that the event session has begun anew.
func (r *Responder) Listening(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls.Listening(now)
}

func (r *Responder) channelUp(now time.Time, e *event.Event) {
	_, account, ok := event.SplitChannel(e.Channel)
	if !ok {
		return
	}
	c := calls.Channel{
		Name: string(e.Channel), Account: string(account), Linkedid: string(e.Linkedid), Dialled: string(e.Exten), Since: now,
	}
	if e.ChannelState != event.StateRing {
		r.calls.Up(c)
		r.sweepNew(c)
		return
	}
	r.called(now, c)
}

// channelState takes the state of a channel: that it was answered; and chan_sip's
// tells only now that it is the phone that calls.
func (r *Responder) channelState(now time.Time, e *event.Event) {
	if e.ChannelState == event.StateUp {
		r.calls.Answer(now, string(e.Channel))
	}
	if e.ChannelState != event.StateRing {
		return
	}
	c, ok := r.calls.Channel(string(e.Channel))
	if !ok || c.Calling {
		return
	}
	c.Dialled = string(e.Exten)
	r.called(now, c)
}

// called takes a call that an account sets up.
func (r *Responder) called(now time.Time, c calls.Channel) {
	c.Calling = true
	signs := r.calls.Call(now, c)
	if r.asking && r.calls.Unfamiliar(now, c) && !r.contains(c.Account, now) {
		select {
		case r.handsets <- handset{call: c, text: bytes.Clone(r.text)}:
		default:
		}
	}
	r.sweepNew(c)
	r.endLocked(c)
	if r.contains(c.Account, now) {
		r.counters.Muted += uint64(len(signs))
		return // all its calls are being ended, whatever they are
	}
	r.raise(now, signs)
}

// sweepNew ends a new call of an account that is being contained.
func (r *Responder) sweepNew(up calls.Channel) {
	c := r.closing[up.Account]
	if c == nil || c.over(up.Since) {
		return
	}
	r.noteCall(c.numbers, up, time.Time{})
	c.swept[up.Name] = struct{}{}
	select {
	case r.sweeps <- up.Account:
	default: // a sweep is queued already, and ends this call too
	}
}

func (r *Responder) channelDown(now time.Time, e *event.Event) {
	down, signs, ok := r.calls.End(now, string(e.Channel))
	close(r.callsC)
	r.callsC = make(chan struct{})
	if !ok {
		return
	}
	r.recent.Add(down, now)
	r.noteEnd(down, now)
	if c := r.closing[down.Account]; c != nil {
		if _, ours := c.swept[down.Name]; ours {
			c.ended[down.Name] = struct{}{}
		}
	}
	r.raise(now, signs)
}

// loggedIn takes what a security event tells of an account in use.
func (r *Responder) loggedIn(now time.Time, e *event.Event, o *score.Observation) {
	if len(o.Account) == 0 || bytes.Equal(e.Service, serviceAMI) {
		return
	}
	switch {
	case e.Kind == event.ChallengeSent && e.AccountTrust() == event.AccountURI:
		r.calls.Invited(now, o.Account, loginOf(o))
	case e.Kind == event.SuccessfulAuth:
		r.raise(now, r.calls.Login(now, o.Account, loginOf(o)))
	case e.Kind == event.FailedACL && bytes.Equal(e.ACLName, tooManyContacts):
		r.raise(now, r.calls.Crowded(now, o.Account, loginOf(o)))
	}
}

func loginOf(o *score.Observation) calls.Login {
	return calls.Login{Source: o.Source, Port: o.Port, Transport: o.Transport, Proven: o.Proof == score.Proven}
}

// raise scores signs. A call of which no event tells where it comes from is
// asked about first, unless it is to be ended before anything else.
func (r *Responder) raise(now time.Time, signs []calls.Sign) {
	for i := range signs {
		s := signs[i]
		if r.asking && ownChannel(s) && !s.From.Source.IsValid() && s.Kind != calls.ForbiddenDestination {
			select {
			case r.strangers <- question{sign: s, text: bytes.Clone(r.text)}:
				continue
			default:
			}
		}
		r.score(now, s)
	}
}

// ownChannel says whether a sign is about a channel of its account: what the
// account transferred comes from where somebody else is.
func ownChannel(s calls.Sign) bool {
	_, account, ok := event.SplitChannel([]byte(s.Channel))
	return ok && string(account) == s.Account
}

// score makes an observation of a sign. The caller holds the lock.
func (r *Responder) score(now time.Time, s calls.Sign) {
	if !s.From.Source.IsValid() {
		s.From = s.Hint
	}
	o := score.Observation{
		At: now, Signal: signOf[s.Kind], Source: s.From.Source, Port: s.From.Port,
		Transport: s.From.Transport, Account: []byte(s.Account), Session: []byte(s.Detail), Raw: r.text,
	}
	if s.Channel != "" {
		o.Session = []byte(s.Channel + " " + s.Detail)
	}
	if s.From.Proven {
		o.Proof = score.Proven
	}
	r.counters.Signs++
	r.sign = &s
	r.observe(&o)
	r.sign = nil
}

// await looks every second at what should have happened by now.
func (r *Responder) await(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.mu.Lock()
			r.calls.Watching(now)
			r.raise(now, r.calls.Due(now))
			r.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// contains says whether an account's calls are all being ended. The caller
// holds the lock.
func (r *Responder) contains(account string, now time.Time) bool {
	c := r.closing[account]
	return c != nil && !c.over(now)
}

// askEach asks Asterisk about what comes through a queue, one after the other,
// until ctx ends.
func askEach[T any](ctx context.Context, queue <-chan T, ask func(context.Context, T)) error {
	for {
		select {
		case about := <-queue:
			within, cancel := context.WithTimeout(ctx, askWithin)
			ask(within, about)
			cancel()
		case <-ctx.Done():
			return nil
		}
	}
}

// askSource finds out where a stranger's call comes from, then scores it.
func (r *Responder) askSource(ctx context.Context, q question) {
	s := q.sign
	source, err := r.parts.PBX.Whence(ctx, s.Channel)
	if err == nil {
		s.From = calls.Login{Source: source.Addr(), Port: source.Port()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.contains(s.Account, now) {
		r.counters.Muted++
		return
	}
	r.text = q.text
	r.score(now, s)
	r.text = nil
}

// askAgent finds out with which User-Agent a call is set up.
func (r *Responder) askAgent(ctx context.Context, h handset) {
	c := h.call
	agent, err := r.parts.PBX.Agent(ctx, c.Name)
	if err != nil {
		return // the call is over
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !r.contains(c.Account, now) {
		r.text = h.text
		r.raise(now, r.calls.CallAgent(now, c, agent))
		r.text = nil
	}
}

// end hangs up single calls as soon as they are to be.
func (r *Responder) end(ctx context.Context) {
	for {
		select {
		case e := <-r.endings:
			within, cancel := context.WithTimeout(ctx, hangupWithin)
			ended, err := r.parts.PBX.HangupChannel(within, e.channel)
			cancel()
			switch {
			case e.incident == nil:
				r.log.Warn().AnErr("error", err).Str("channel", e.channel).Msg("a call of a locked account")
			case err != nil:
				r.report(e.incident, e.n, Failed, err.Error())
			case ended:
				r.report(e.incident, e.n, Done, "ended")
			default:
				r.report(e.incident, e.n, Done, "it had ended by itself")
			}
		case <-ctx.Done():
			return
		}
	}
}

// endSoon queues the end of a call. It is asked for on the caller's own thread,
// which is awake, as a ban is by the lane: while another one woke up for it, a
// trunk could answer. The caller holds the lock.
func (r *Responder) endSoon(e ending) bool {
	select {
	case r.endings <- e:
		runtime.Gosched()
		return true
	default:
		r.counters.JobsRefused++
		return false
	}
}

// cut sends the hang-up of an incident's own call on its way. refused are the
// steps for which there was no room: only an incident with a number can be told
// of them. The caller holds the lock.
func (r *Responder) cut(i *Incident) (refused []int) {
	for n := range i.Steps {
		s := &i.Steps[n]
		if s.Kind == StepHangupCall && s.State == Intended && !r.endSoon(ending{i, n, s.Target}) {
			refused = append(refused, n)
		}
	}
	return refused
}

// home is why a source is not banned for the calls of an account: its own
// people are there.
func (r *Responder) home(now time.Time, account string, source netip.Addr) string {
	if r.sign == nil || !r.calls.Home(now, account, source) {
		return ""
	}
	return "where " + account + " is at home: its calls are dealt with, its people not cut off"
}

// recallHabits takes over what is usual for each account.
func (r *Responder) recallHabits(ctx context.Context, now time.Time) {
	rows, err := r.parts.Ledger.Habits(ctx)
	r.doubt(err, "the habits")
	habits := make([]calls.Habit, 0, len(rows))
	for _, h := range rows {
		habits = append(habits, calls.Habit{Account: h.Account, Kind: calls.HabitKind(h.Kind), Value: h.Value, First: h.First, Last: h.Last})
	}
	r.calls.Recall(now, habits)
}

func (r *Responder) learnedHabit(h calls.Habit) {
	r.parts.Ledger.PutHabit(ledger.Habit{Account: h.Account, Kind: string(h.Kind), Value: h.Value, First: h.First, Last: h.Last})
}
