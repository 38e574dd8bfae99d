package month

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
)

// pbx is an Asterisk with its accounts, the kernel in front of it, and the daemon
// beside it.
type pbx struct {
	*clock
	rand     *rand.Rand
	judge    *judge.Judge
	policy   judge.Policy
	ledger   ledger
	report   *Report
	accounts []*account
	named    map[string]*account
	channels map[string]*call
	flows    map[netip.AddrPort]time.Time // single ones that are dropped, until when
	partly   map[netip.Prefix]partial     // addresses that are throttled over UDP
	closed   map[netip.Prefix]partial     // and those from which no new connections are let in
	blame    map[netip.Addr]string        // what the last failure from an address was due to
	said     map[string]bool              // harm that is counted once
	serial   int
	session  []byte
	down     bool // it restarts
	moved    bool // a phone has registered from another place since the last resync
}

// outcome is what becomes of a request.
type outcome int

const (
	accepted outcome = iota
	refused          // its password is wrong
	shutOut          // the account is limited to other networks
	lost             // no answer
)

func newPBX(policy judge.Policy, seed uint64, r *Report, start time.Time) (*pbx, error) {
	policy.DropsFlows, policy.Throttles, policy.NoReceiver = true, true, false
	b := &pbx{
		clock: &clock{now: start}, rand: rand.New(rand.NewPCG(seed, uint64(len(r.Site)))), policy: policy, report: r, ledger: newLedger(),
		named: map[string]*account{}, channels: map[string]*call{}, flows: map[netip.AddrPort]time.Time{}, partly: map[netip.Prefix]partial{}, closed: map[netip.Prefix]partial{}, blame: map[netip.Addr]string{}, said: map[string]bool{},
	}
	var err error
	b.judge, err = judge.New(start, policy, effects{pbx: b})
	return b, err
}

// extension makes an account.
func (b *pbx) extension(name string) *account {
	a := &account{name: name}
	b.accounts = append(b.accounts, a)
	b.named[name] = a
	return a
}

// start starts the daemon's work beside a PBX that runs.
func (b *pbx) start() {
	b.judge.Calls.StreamStarted(b.now)
	b.resync()
	// The daemon asks for the registrations every 5 minutes, prunes every minute and
	// watches every second. Less often takes less of the tests' time.
	b.every(time.Hour, b.resync)
	b.every(10*time.Minute, func() {
		if b.moved {
			b.resync()
		}
		b.judge.Watch(b.now)
		b.judge.Prune(b.now)
		for _, name := range b.judge.Contain.Restrictions.Due(b.now) {
			b.judge.Contain.Restrictions.Ended(b.now, name, nil)
		}
	})
}

// resync gives the judge Asterisk's picture.
func (b *pbx) resync() {
	if b.down {
		return
	}
	b.moved = false
	list := []calls.Account{{Name: "carrier"}}
	var contacts []places.Contact
	for _, a := range b.accounts {
		list = append(list, calls.Account{Name: a.name, Login: true, Sure: !a.chanSIP})
		for _, p := range a.phones {
			if p.until.After(b.now) {
				contacts = append(contacts, places.Contact{Account: a.name, Source: p.contact.Addr(), Port: p.contact.Port(), Agent: p.model.agent})
			}
		}
	}
	b.judge.Calls.List(list)
	b.judge.SetContacts(b.now, contacts, nil)
}

// partial is what of an address is blocked.
type partial struct {
	until  time.Time
	live   []netip.AddrPort // that pass
	minute ration
	why    string // what the failure that brought it about was due to
}

// ration is how many guesses got through in a minute.
type ration struct {
	at   time.Time
	used int
}

// drops says whether the kernel drops a packet.
func (b *pbx) drops(from netip.AddrPort, transport event.Transport) (by incident.Ban, dropped bool) {
	if b.flows[from].After(b.now) {
		return incident.Ban{Origin: "flow", Since: b.flows[from]}, true
	}
	if c := b.closed[event.SourcePrefix(from.Addr())]; transport.Connected() && c.until.After(b.now) && !slices.Contains(c.live, from) {
		return incident.Ban{Origin: "closed connections", Reason: c.why, Since: c.until}, true
	}
	by, dropped = b.judge.Bans.Covering(b.now, netip.PrefixFrom(from.Addr(), from.Addr().BitLen()))
	return by, dropped && (by.Scope != incident.ScopeSIP || transport == event.UDP)
}

// throttles says whether one more wrong password over UDP is kept from Asterisk: from an
// address that is throttled ten a minute get through. Phones that answer their challenge
// do, too.
func (b *pbx) throttles(q request) bool {
	at := event.SourcePrefix(q.from.Addr())
	p, ok := b.partly[at]
	if !ok || q.right || q.transport != event.UDP || !p.until.After(b.now) {
		return false
	}
	if minute := b.now.Truncate(time.Minute); !p.minute.at.Equal(minute) {
		p.minute = ration{at: minute}
	}
	p.minute.used++
	b.partly[at] = p
	return p.minute.used > 10
}

// request is one with credentials.
type request struct {
	account   string
	chanSIP   bool
	from      netip.AddrPort
	transport event.Transport
	right     bool   // the password
	blind     bool   // its sender does not see the challenge
	number    string // that it calls
	session   string // its Call-ID; "" is one of its own
	why       string // it may be wrong
}

// ask sends a request and reports its events.
func (b *pbx) ask(q request) outcome {
	if _, dropped := b.drops(q.from, q.transport); dropped || b.down || b.throttles(q) {
		return lost
	}
	b.serial++
	b.session = append(b.session[:0], q.session...)
	if q.session == "" {
		b.session = strconv.AppendInt(append(b.session, 's'), int64(b.serial), 36)
	}
	if to, limited := b.judge.Contain.Restrictions.Networks(q.account); limited && !slices.ContainsFunc(to, func(p netip.Prefix) bool { return p.Contains(q.from.Addr()) }) {
		b.security(event.FailedACL, q, q.account)
		return shutOut
	}
	name := q.account
	if q.chanSIP && q.number != "" {
		name = "sip:" + q.account + "@192.0.2.1"
	}
	if !q.blind {
		b.security(event.ChallengeSent, q, name)
		if q.transport == event.UDP && !q.chanSIP {
			b.judge.Challenged(b.now, q.from.Addr(), []netip.Addr{q.from.Addr()}, nonce)
		}
	}
	if !q.right {
		b.blame[q.from.Addr()] = q.why
		if q.chanSIP {
			b.security(event.InvalidPassword, q, q.account)
		} else {
			b.security(event.ChallengeResponseFailed, q, q.account)
		}
		return refused
	}
	if q.chanSIP && q.number != "" {
		name = q.number
	}
	b.security(event.SuccessfulAuth, q, name)
	return accepted
}

var (
	nonce    = []byte("1700000000/a1b2c3")
	invented = []byte("1700000000/invented")
	pjsip    = []byte("PJSIP")
	chanSIP  = []byte("SIP")
)

func (b *pbx) security(kind event.Kind, q request, account string) {
	e := event.Event{
		Kind: kind, Service: pjsip, AccountID: []byte(account), SessionID: b.session, At: b.now,
		Remote: q.from, Transport: q.transport, Challenge: nonce, UsingPassword: kind == event.SuccessfulAuth,
	}
	if q.chanSIP {
		e.Service = chanSIP
	}
	if q.blind {
		e.Challenge = invented
	}
	b.event(&e)
}

func (b *pbx) event(e *event.Event) {
	b.report.Events++
	b.judge.Event(b.now, intake.SensorAMI, e)
}

// signIn registers a phone, and notes what keeps a healthy one from it.
func (b *pbx) signIn(p *phone) outcome { return b.asPhone(p, "") }

func (b *pbx) asPhone(p *phone, number string) outcome {
	session := ""
	if number == "" && !p.account.chanSIP {
		session = p.callID
	}
	got := b.ask(request{
		account: p.account.name, chanSIP: p.account.chanSIP, from: p.from(), transport: p.transport,
		right: p.password == p.account.password, number: number, session: session, why: p.why,
	})
	switch {
	case got == refused:
		b.report.Failures++
	case got == accepted:
		b.report.Logins++
	case !p.healthy() || b.down || p.account.attacked:
	case got == shutOut:
		b.once(LoginShutOut, "limited to known networks", fmt.Sprint(p.account.name, p.at.addr), p.account.name)
	case got == lost:
		by, _ := b.drops(p.from(), p.transport)
		kind, why := LoginLost, b.blame[p.at.addr]
		if by.Origin == "closed connections" {
			why = by.Reason
		}
		switch {
		case by.Origin == "flow":
			kind = FlowLost
		case p.typed && why == p.why:
			kind = MistypedOut
			if !by.Until.IsZero() {
				b.report.LongestWait = max(b.report.LongestWait, by.Until.Sub(b.now))
			}
		}
		b.once(kind, by.Origin+", after: "+why, fmt.Sprint(p.id, by.Since), p.account.name+" at "+p.at.addr.String())
		if kind != FlowLost {
			b.complain(by)
		}
	}
	return got
}

// complain has somebody who cannot sign in call the administrator, who releases the ban
// within hours.
func (b *pbx) complain(ban incident.Ban) {
	if key := fmt.Sprint("complaint", ban.Prefix, ban.Since); !b.said[key] {
		b.said[key] = true
		b.after(between(b.rand, 30*time.Minute, 4*time.Hour), func() {
			b.judge.Bans.Remove(ban.Prefix)
			b.judge.ClearScore(ban.Prefix)
			b.judge.Offences.Clear(ban.Prefix)
		})
	}
}

// call is one that is up.
type call struct {
	account *account
	number  string
	rogue   bool   // a thief's
	leg     string // to the carrier; "" if the call stays in the site
}

// dial sets up a call that takes so long, unless it is ended before.
func (b *pbx) dial(p *phone, number string, length time.Duration) {
	if !p.healthy() || b.asPhone(p, number) != accepted {
		return
	}
	b.report.Calls++
	b.ring(&call{account: p.account}, number, length)
}

// ring is the call's channel.
func (b *pbx) ring(c *call, number string, length time.Duration) (channel string) {
	technology := "PJSIP/"
	if c.account.chanSIP {
		technology = "SIP/"
	}
	b.serial++
	channel = technology + c.account.name + "-" + fmt.Sprintf("%08x", b.serial)
	c.number = number
	b.channels[channel] = c
	b.event(&event.Event{Kind: event.Newchannel, Channel: []byte(channel), ChannelState: event.StateRing, Exten: []byte(number), Linkedid: []byte(channel), Uniqueid: []byte(channel)})
	b.leave(c, channel)
	b.after(length, func() { b.hangUp(channel) })
	return channel
}

// leave is a call's leg to the carrier, if its number is outside the site. It is answered at once.
func (b *pbx) leave(c *call, channel string) {
	if len(c.number) <= len(c.account.name) || b.channels[channel] == nil {
		return
	}
	c.leg = fmt.Sprintf("PJSIP/carrier-%08x", b.serial)
	b.event(&event.Event{
		Kind: event.DialBegin, Channel: []byte(channel), ChannelState: event.StateRing, Exten: []byte(c.number), Linkedid: []byte(channel),
		DestChannel: []byte(c.leg), DialString: []byte(c.number + "@carrier"),
	})
	for _, answered := range []string{c.leg, channel} {
		b.event(&event.Event{Kind: event.Newstate, Channel: []byte(answered), ChannelState: event.StateUp})
	}
}

// owner is the channel that a leg to the carrier is for.
func (b *pbx) owner(channel string) string {
	for name, c := range b.channels {
		if c.leg == channel {
			return name
		}
	}
	return channel
}

func (b *pbx) hangUp(channel string) {
	c := b.channels[channel]
	if c == nil {
		return
	}
	delete(b.channels, channel)
	if c.leg != "" {
		b.event(&event.Event{Kind: event.Hangup, Channel: []byte(c.leg)})
	}
	b.event(&event.Event{Kind: event.Hangup, Channel: []byte(channel)})
}

// reboot restarts Asterisk: calls end, and phones register as soon as it is back.
// Asterisk keeps the registrations.
func (b *pbx) reboot() {
	b.down = true
	clear(b.channels)
	b.after(90*time.Second, func() {
		b.down = false
		b.judge.Calls.StreamStarted(b.now)
		b.judge.Calls.BeginSnapshot()
		b.judge.Calls.ApplySnapshot(b.now, nil)
		b.resync()
		for _, a := range b.accounts {
			for _, p := range a.phones {
				b.after(between(b.rand, 0, time.Minute), func() {
					if !p.off && b.rand.IntN(5) == 0 { // with a nonce from before: it is challenged once more
						b.security(event.ChallengeSent, request{chanSIP: a.chanSIP, from: p.from(), transport: p.transport}, a.name)
					}
					b.register(p)
				})
			}
		}
	})
}
