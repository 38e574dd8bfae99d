package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/score"
)

// channelUp records a new channel.
func (j *Judge) channelUp(now time.Time, e *event.Event) {
	tech, account, ok := event.SplitChannel(e.Channel)
	if !ok {
		if e.ChannelState == event.StateRing {
			j.Calls.CameIn(string(e.Channel), string(e.Exten))
		}
		return
	}
	c := calls.Channel{
		Name: string(e.Channel), Account: string(account), Linkedid: string(e.Linkedid), Dialled: string(e.Exten), Since: now,
	}
	if e.ChannelState != event.StateRing {
		j.Calls.Up(c)
		j.Gate.SweepNew(c)
		return
	}
	if string(tech) == event.IAX2 && j.calledOverIAX(now, c, e.Raw) {
		return
	}
	j.called(now, c, e.Raw)
}

// channelState handles the state of a channel: that it was answered; and chan_sip's
// says only now that it is the phone that calls.
func (j *Judge) channelState(now time.Time, e *event.Event) {
	if e.ChannelState == event.StateUp {
		j.Calls.Answer(now, string(e.Channel))
		j.Gate.LegAnswered(now, string(e.Channel))
	}
	if e.ChannelState != event.StateRing {
		return
	}
	c, ok := j.Calls.Channel(string(e.Channel))
	if !ok || c.Calling {
		return
	}
	c.Dialled = string(e.Exten)
	j.called(now, c, e.Raw)
}

// called handles a call that an account sets up.
func (j *Judge) called(now time.Time, c calls.Channel, raw []byte) {
	c.Calling = true
	signs := j.Calls.Call(now, c)
	if j.policy.Calls.Dialling.Emergency(c.Dialled) {
		return
	}
	contained := j.contains(now, c.Account)
	if !contained {
		if j.Calls.Unfamiliar(now, c) {
			j.effects.AskUserAgent(c, raw)
		}
		j.calledUnseen(now, c.Account, raw)
		contained = j.placed(now, placedCall{account: c.Account, number: c.Dialled, channel: c.Name, by: c.Name}, raw) || j.contains(now, c.Account)
	}
	switch {
	case j.Gate.SweepNew(c):
	case j.Gate.EndsCallsOf(c.Account):
		j.effects.EndCall(c.Name)
	case j.Gate.RefuseSpent(now, c):
	default:
		j.Gate.EndCostly(now, c.Account, c.Name, c.Dialled)
	}
	if contained {
		j.counters.Suppressed += uint64(len(signs))
		return // all its calls are being ended, whatever they are
	}
	j.raise(now, signs, raw)
}

// calledUnseen handles a call over chan_sip for whose login there was no event, as by a phone
// that never registered: whoever calls knows the password. If any phone that may have called
// is known, it was that one. raw is the event of the call.
func (j *Judge) calledUnseen(now time.Time, account string, raw []byte) {
	var last calls.Login
	for l := range j.Calls.Callers(now, account) {
		if j.Places.Known(account, l.Source, now) {
			return
		}
		last = l
	}
	if !last.Source.IsValid() {
		return
	}
	o := score.Observation{
		At: now, Signal: score.SuccessfulAuth, Source: last.Source, Port: last.Port, Transport: last.Transport,
		Service: []byte("SIP"), Account: []byte(account), Raw: raw,
	}
	if broken, ok := j.breakIn.Revealed(&o, j.Stolen(now, account)); ok {
		j.observe(&broken, nil)
	}
}

// contains says whether an account's calls are all being ended.
func (j *Judge) contains(now time.Time, account string) bool {
	return j.Gate.Contains(now, account)
}

// channelDown handles the end of a channel.
func (j *Judge) channelDown(now time.Time, e *event.Event) {
	j.Gate.LegEnded(now, string(e.Channel))
	down, signs, ok := j.Calls.End(now, string(e.Channel))
	j.effects.ChannelDown()
	if ok {
		j.Gate.Ended(now, down)
		j.Contain.Sessions.ChannelDown(down.Account, down.Name)
	}
	j.raise(now, signs, e.Raw)
}

// A call can continue without the account that set it up: transferred from one
// trunk to another it has no channel of the account's name. It is ended together
// with the account's calls anyway (calls.Strays).

// dialled records that a channel dials another one.
func (j *Judge) dialled(now time.Time, e *event.Event) {
	name := string(e.DestChannel)
	x := calls.Dial{
		By: string(e.Channel), Exten: string(e.Exten), Channel: name, String: string(e.DialString),
		Up: e.DestChannelState == event.StateUp, Linkedid: string(e.Linkedid), CallerID: string(e.CallerIDNum),
	}
	account, number := j.Calls.Dial(x)
	if number != "" && !j.contains(now, account) {
		j.raise(now, j.Calls.CheckRedirect(now, account, number, name), e.Raw)
		j.placed(now, placedCall{account: account, number: number, channel: name}, e.Raw)
		j.Gate.EndCostly(now, account, name, number)
	}
	j.leaves(now, x, e.Raw)
	j.Gate.SweepStray(now, account, name)
}

// forwarded records that a phone that is called sends its caller elsewhere.
func (j *Judge) forwarded(e *event.Event) {
	if len(e.Forward) == 0 || len(e.Channel) == 0 {
		return
	}
	if _, account, ok := event.SplitChannel(e.DestChannel); ok {
		j.Calls.Forward(string(account), string(e.Channel), string(e.Forward))
	}
}

// transferred records that an account connects the other side of its call with a
// number.
func (j *Judge) transferred(now time.Time, e *event.Event) {
	_, transferer, ok := event.SplitChannel(e.Channel)
	if !ok || string(e.Result) != "Success" || len(e.DestChannel) == 0 {
		return
	}
	account, name := string(transferer), string(e.DestChannel)
	signs := j.Calls.Transfer(now, account, string(e.Exten), name)
	if !j.contains(now, account) {
		j.raise(now, signs, e.Raw)
		j.placed(now, placedCall{account: account, number: string(e.Exten), channel: name, by: string(e.Channel)}, e.Raw)
		j.Gate.EndCostly(now, account, name, string(e.Exten))
	}
	j.Gate.SweepStray(now, account, name)
}

// Watch looks at what should have happened by now. It is to be called every
// second.
func (j *Judge) Watch(now time.Time) {
	j.Calls.RecordUptime(now)
	j.raise(now, j.Calls.MissingLogins(now), nil)
	j.raise(now, j.Calls.Unanswered(now), nil)
	j.flood.Watch(now)
	j.ongoing.RecordGuesses(now, j.record)
	j.resumeBans(now)
	j.watchSpending(now)
	j.releaseWaiting(now, func(*unexplained) bool { return true })
}

// raise scores signs. A call of which no event says where it comes from is asked
// about first, unless it is to be ended before anything else. raw is what the
// signs were read from.
func (j *Judge) raise(now time.Time, signs []calls.Sign, raw []byte) {
	for i := range signs {
		s := signs[i]
		if ownChannel(s) && !s.From.Source.IsValid() && s.Kind != calls.ForbiddenDestination && j.effects.AskSource(s, raw) {
			continue
		}
		j.scoreSign(now, s, raw)
	}
}

// ownChannel says whether a sign is about a channel of its account: what the
// account transferred comes from the other party's address.
func ownChannel(s calls.Sign) bool {
	_, account, ok := event.SplitChannel([]byte(s.Channel))
	return ok && string(account) == s.Account
}

// scoreSign makes an observation of a sign.
func (j *Judge) scoreSign(now time.Time, s calls.Sign, raw []byte) {
	if !s.From.Source.IsValid() {
		s.From = s.Hint
	}
	o := score.Observation{
		At: now, Signal: signalOf[s.Kind], Source: s.From.Source, Port: s.From.Port,
		Transport: s.From.Transport, Account: []byte(s.Account), Session: []byte(s.Detail), Raw: raw,
	}
	if s.Channel != "" {
		o.Session = []byte(s.Channel + " " + s.Detail)
	}
	if s.From.Proven {
		o.Proof = score.Proven
	}
	j.counters.Signs++
	if j.isSecondSign(now, s) && j.secondSign(now, s.Account, s.From, o.Signal.Words(1)+": "+s.Detail, raw) {
		return
	}
	j.observe(&o, &s)
}

// signalOf gives the signal of each kind of sign: the one of its name.
var signalOf = func() (of map[calls.Kind]score.Signal) {
	of = map[calls.Kind]score.Signal{}
	for _, k := range calls.Kinds() {
		s, err := score.ParseSignal(k.String())
		if err != nil {
			panic("judge: " + err.Error())
		}
		of[k] = s
	}
	return of
}()

// Located scores a sign whose call was asked about; from is the zero AddrPort
// when it is unknown.
func (j *Judge) Located(now time.Time, s calls.Sign, from netip.AddrPort, raw []byte) {
	if s.Kind == calls.Unannounced {
		j.locatedOverIAX(now, s, from, raw)
		return
	}
	if j.contains(now, s.Account) {
		j.counters.Suppressed++
		return
	}
	if from.IsValid() {
		s.From = calls.Login{Source: from.Addr(), Port: from.Port()}
	}
	if s.Kind == calls.Placed {
		j.Calls.Place(s.Channel, from.Addr())
		j.judgePlaced(now, s, raw)
		return
	}
	j.scoreSign(now, s, raw)
}

// UserAgent records the User-Agent that a call is set up with.
func (j *Judge) UserAgent(now time.Time, c calls.Channel, agent string, raw []byte) {
	if !j.contains(now, c.Account) {
		j.raise(now, j.Calls.CallAgent(now, c, agent), raw)
	}
}

// oneNumber says whether the calls of a verdict go to one number in several forms, by an
// account that nobody else is known to use.
func (j *Judge) oneNumber(v *score.Verdict) bool {
	account := decide.AccountOf(v)
	if _, undecided := j.Places.Undecided([]byte(account), v.At); undecided || j.Stolen(v.At, account) {
		return false
	}
	dialled, ok := decide.Dialled(v)
	return ok && j.Calls.OneNumber(v.At, account, dialled)
}
