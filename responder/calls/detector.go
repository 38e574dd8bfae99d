package calls

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Limits and durations.
const (
	// maxAccounts bounds the accounts tracked. Callers can add accounts only on a
	// PBX that allows guests.
	maxAccounts = 1 << 16
	// minute and hour are the windows for call rates.
	minute = time.Minute
	hour   = time.Hour
	// ProbeWithin is the time within which dialled strings are compared.
	ProbeWithin = 10 * time.Minute
	// maxDialedNumbers bounds the dialled strings kept for an account.
	maxDialedNumbers = 32
	// maxStarts bounds the call start times kept for an account.
	maxStarts = 256
	// together is the longest time between a login and its call: the two events
	// take different paths through Asterisk.
	together = 2 * time.Second
	// A call up to shortCall long may only test whether calls get through;
	// shortCalls of them within ProbeWithin are a sign.
	shortCall  = 20 * time.Second
	shortCalls = 3
)

// Account describes an account, as Asterisk lists it.
type Account struct {
	Name string
	// Login is true if the account has to log in for each call.
	Login bool
	// Sure is true if each of its calls raises a SuccessfulAuth. With chan_sip, a
	// call does so only under certain conditions.
	Sure bool
	// Trunk is true if Asterisk itself logs in to it.
	Trunk bool
	// Unannounced is true if it logs in over IAX2, which raises no event.
	Unannounced bool
}

// Contact is one registration.
type Contact struct {
	Account string
	Source  netip.Addr
	Agent   string // User-Agent
	URI     string // where calls to it are sent; "" if that is not known
	// Unannounced is true if no event reports such a registration.
	Unannounced bool
	// Doubtful says that it shows no home of the account: it may be a thief's.
	Doubtful bool
}

// Detector finds unusual calls of each account. It has no lock and no clock: its
// owner calls it from one goroutine at a time.
type Detector struct {
	*Tracker
	places   Places
	rules    Rules
	accounts map[string]*accountState
	listed   map[string]Account // Asterisk's list of accounts; nil before the first
	folded   map[string]string  // their names by the same in lower case
	since    time.Time          // habits have been learned since then
	uptime   usage              // of the daemon
	history  usage              // of the calls that records of the past have told of
	unheard  []string           // channels that only Asterisk's last list has told of
	refused  uint64

	stored storedForwards
	shared sharedNumbers

	streamStart time.Time
	sawLogin    bool             // since streamStart, so the stream contains logins
	unseen      []waiting        // calls whose login has not been seen yet, oldest first
	contacts    map[Contact]bool // the last registrations, without Agent and URI; nil before the first
	contactsAt  time.Time
	uris        map[string][]contactURI // of the last registrations, by account

	// Learned, if set, is called for each new habit, and again once a day while it
	// is in use.
	Learned func(Habit)
}

// accountState is what the Detector knows about an account.
type accountState struct {
	name      string
	limits    *Limits
	carrier   bool
	used      time.Time      // last access
	starts    []time.Time    // of calls within the last hour, at most maxStarts
	fresh     []time.Time    // those of numbers not dialled within ProbeWithin before
	dialed    []dialedNumber // the newest maxDialedNumbers
	ended     []time.Time    // ends of short calls without a login
	lastLogin time.Time
	logins    []loginRecord // the last from each source
	invites   []loginRecord // chan_sip: sources that INVITEs for the account were challenged from
	countries map[string]*usage
	calls     usage
	callLogin bool            // a login for one of its calls was seen once
	scanners  map[string]bool // words of scannerWords already reported

	lastTwoNetworks time.Time // the last TwoNetworks sign

	newNetwork newNetwork
	costly     []costlyNumber // unusual ones called within the last hour, the newest maxCostly
	tests      []costlyNumber // those of them that were calls of a few seconds
	early      earlyMedia
	feature    dialledFeature
}

type dialedNumber struct {
	number numbers.Number
	at     time.Time
}

// loginRecord is a place that an account was used from, and when.
type loginRecord struct {
	Login
	at   time.Time // of the last login
	prev time.Time // of the one before
}

// Places knows the home networks of accounts.
type Places interface {
	// UseNetwork records that an account is used from the network of an address.
	// first is true if the network is new for the account, young if it is not one of
	// its home networks yet.
	UseNetwork(now time.Time, account string, source netip.Addr) (first, young bool)
	// AssumeHome makes the network of an address a home network of the account if
	// the account has no known networks.
	AssumeHome(now time.Time, account string, source netip.Addr)
	// Carrier reports whether Asterisk's configuration names the address of a prefix, as a
	// carrier's or that of another PBX.
	Carrier(prefix netip.Prefix) bool
	// Home reports whether an account has long been used from the network of an
	// address. Young reports whether a network is known for the account, but not one
	// of its home networks yet.
	Home(now time.Time, account string, source netip.Addr) bool
	Young(now time.Time, account string, network netip.Prefix) bool
}

// NewDetector returns a Detector that starts learning now.
func NewDetector(now time.Time, rules Rules, places Places) *Detector {
	rules.Dialling.Read("+442079460001") // compiles the first patterns now, not during the first call
	return &Detector{Tracker: New(), places: places, rules: rules, accounts: map[string]*accountState{}, since: now, streamStart: now}
}

// RestoreHabits loads the habits of earlier runs.
func (d *Detector) RestoreHabits(now time.Time, habits []Habit) {
	for _, h := range habits {
		s := usage{h.First, h.Last, h.Last}
		if h.Kind == HabitForward {
			d.stored.restore(h)
			continue
		}
		if h.Kind == HabitHistory {
			d.history = s
			continue
		}
		if h.Kind == HabitWatch {
			d.uptime = s
			if now.Sub(h.Last) < longestPause {
				d.since = h.First
			} else {
				d.uptime = usage{}
			}
			continue
		}
		a := d.state(now, h.Account)
		if a == nil {
			continue
		}
		switch h.Kind {
		case HabitCall:
			a.calls = s
		case HabitCountry:
			a.countries[h.Value] = &s
		}
	}
	d.keepHistory(now)
}

// RecordUptime reports, once an hour, that the daemon is running and since when it
// has been learning.
func (d *Detector) RecordUptime(now time.Time) {
	if d.uptime.first.IsZero() {
		d.uptime.first = d.since
	}
	if d.uptime.last.IsZero() || now.Sub(d.uptime.last) >= hour {
		d.uptime.last = now
		d.report(Habit{Kind: HabitWatch, First: d.uptime.first, Last: now})
	}
}

// StreamStarted records that an event stream starts now, without gaps from here on.
func (d *Detector) StreamStarted(now time.Time) {
	d.streamStart, d.sawLogin, d.unseen, d.contacts = now, false, d.unseen[:0], nil
}

// Named is the account of Asterisk's list that has the first of these names that
// is on it, in whatever case: chan_sip ignores it, too (peer_cmp_cb).
func (d *Detector) Named(names ...string) (a Account, ok bool) {
	for _, name := range names {
		if a, ok = d.listed[name]; !ok {
			a, ok = d.listed[d.folded[strings.ToLower(name)]]
		}
		if ok {
			return a, true
		}
	}
	return Account{}, false
}

// List sets Asterisk's list of accounts. One name may be there once for each technology: it
// is one account.
func (d *Detector) List(list []Account) {
	d.listed, d.folded = make(map[string]Account, len(list)), make(map[string]string, len(list))
	for _, a := range list {
		if other, twice := d.listed[a.Name]; twice {
			a.Login, a.Sure, a.Unannounced = a.Login || other.Login, a.Sure || other.Sure, a.Unannounced || other.Unannounced
		}
		d.listed[a.Name] = a
		d.folded[strings.ToLower(a.Name)] = a.Name
	}
}

// state returns the state of an account, creating it if needed. It returns nil if
// there is no room.
func (d *Detector) state(now time.Time, name string) *accountState {
	a := d.accounts[name]
	if a == nil {
		if len(d.accounts) >= maxAccounts && !d.makeRoom() {
			d.refused++
			return nil
		}
		a = &accountState{
			name: name, limits: d.rules.limitsOf(name), carrier: d.rules.isCarrier(name),
			countries: map[string]*usage{},
		}
		d.accounts[name] = a
	}
	a.used = now
	return a
}

// makeRoom drops the least recently used of a few accounts that Asterisk does not
// list.
func (d *Detector) makeRoom() bool {
	var oldest *accountState
	looked := 0
	for name, a := range d.accounts {
		if _, listed := d.listed[name]; listed || score.IsOrigin(name) {
			continue
		}
		if oldest == nil || a.used.Before(oldest.used) {
			oldest = a
		}
		if looked++; looked == 16 {
			break
		}
	}
	if oldest != nil {
		delete(d.accounts, oldest.name)
	}
	return oldest != nil
}

// isPhone reports whether an account is a phone: it logs in and is not a carrier.
func (d *Detector) isPhone(a *accountState) bool {
	return !a.carrier && (d.listed[a.name].Login || len(a.logins) > 0)
}

// isPhoneName is isPhone for an account that may have no state.
func (d *Detector) isPhoneName(name string) bool {
	if a := d.accounts[name]; a != nil {
		return d.isPhone(a)
	}
	return d.listed[name].Login && !d.rules.isCarrier(name)
}

// Call records a call that a phone sets up and returns its signs.
func (d *Detector) Call(now time.Time, c Channel) []Sign {
	a := d.state(now, c.Account)
	if a == nil {
		d.Up(c)
		return nil
	}
	n := d.read(a.limits, c.Dialled)
	c.Outgoing, c.From = n.External, a.where(now).Source
	d.Up(c)
	a.noteFeature(now, c)
	s := signs{account: a, channel: c.Name, number: &n, from: a.where(now), hint: a.hint(now)}
	switch {
	case d.isAnonymous(a):
		if a.checkAnonymous(&s); len(s.list) > 0 {
			d.judged(c.Name, c.Dialled)
		}
	case d.isPhone(a):
		if !strings.HasPrefix(c.Name, event.IAX2+"/") {
			d.expectLogin(now, a, c.Name)
		}
		if n.External {
			d.judged(c.Name, c.Dialled)
			d.checkOutgoing(now, a, &s)
		}
	}
	return s.list
}

// ApplySnapshot replaces the known channels by Asterisk's list, for example after a
// gap in the events.
func (d *Detector) ApplySnapshot(now time.Time, up []Channel) {
	d.unheard = nil
	for i := range up {
		c := &up[i]
		if _, known := d.Channel(c.Name); known || !c.Calling || c.Account == "" {
			continue
		}
		d.unheard = append(d.unheard, c.Name)
		if a := d.state(now, c.Account); a != nil && d.isPhone(a) {
			c.Dialled = d.sentInstead(a, c)
			c.Outgoing = d.read(a.limits, c.Dialled).External
		}
	}
	d.Tracker.ApplySnapshot(up)
}

// Dial records that a channel dials another one. It returns the account or origin whose
// call the new channel is part of, and the number if the account forwarded its caller to
// it.
func (d *Detector) Dial(x Dial) (account, number string) {
	orphan := d.parts[x.Channel].call
	if orphan != nil && orphan.orphan {
		defer d.recause(orphan)
	}
	if _, redirected := d.forwards[x.By]; !redirected {
		d.clickToDial(x.By)
		if account = d.forwarder(x); account != "" {
			return d.redirect(x.By, x.Channel, &trackedCall{account: account, first: x.Channel}), ""
		}
	}
	account, number = d.Tracker.Dial(x.By, x.Channel)
	if number != "" {
		d.judged(x.Channel, number)
	}
	return account, number
}

// judged records that a number of a channel's call is judged.
func (d *Detector) judged(channel, number string) {
	if n := d.rules.Dialling.Read(number); d.parts[channel].call != nil {
		d.parts[channel].call.judge(&n)
	}
}

// Refused returns the number of accounts and channels that were not tracked for lack
// of room.
func (d *Detector) Refused() uint64 { return d.refused + d.Tracker.Refused() }

// Configure replaces the rules and keeps everything learned.
func (d *Detector) Configure(rules Rules) {
	d.rules = rules
	for _, a := range d.accounts {
		a.limits, a.carrier = d.rules.limitsOf(a.name), d.rules.isCarrier(a.name)
	}
}

// IsPhone reports whether an account is a phone: it logs in and is not a carrier.
func (d *Detector) IsPhone(account string) bool { return d.isPhoneName(account) }

// LearningEnds is when the first days are over, in which no call is new.
func (d *Detector) LearningEnds() time.Time { return d.callsSince().Add(d.rules.Learn) }

// learningDone reports whether the first days are over, in which no network is new.
func (d *Detector) learningDone(now time.Time) bool { return now.Sub(d.since) >= d.rules.Learn }

func (d *Detector) report(h Habit) {
	if d.Learned != nil {
		d.Learned(h)
	}
}
