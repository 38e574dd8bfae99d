package calls

import (
	"net/netip"
	"strings"
	"time"
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
	// sameNumber is how many trailing digits two dialled strings must share to count
	// as one number with different prefixes. Most subscriber numbers are that long.
	sameNumber = 8
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
}

// Contact is one registration.
type Contact struct {
	Account string
	Source  netip.Addr
	Agent   string // User-Agent
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
	unheard  []string           // channels that only Asterisk's last list has told of
	refused  uint64

	streamStart time.Time
	sawLogin    bool             // since streamStart, so the stream contains logins
	unseen      []waiting        // calls whose login has not been seen yet, oldest first
	contacts    map[Contact]bool // the last registrations, without Agent; nil before the first
	contactsAt  time.Time

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
}

type dialedNumber struct {
	digits string
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
	// Home reports whether an account has long been used from the network of an
	// address. Young reports whether a network is known for the account, but not one
	// of its home networks yet.
	Home(now time.Time, account string, source netip.Addr) bool
	Young(now time.Time, account string, network netip.Prefix) bool
}

// NewDetector returns a Detector that starts learning now.
func NewDetector(now time.Time, rules Rules, places Places) *Detector {
	rules.Dialling.Read("+442079460001") // makes the library load its tables now, not during the first call
	return &Detector{Tracker: New(), places: places, rules: rules, accounts: map[string]*accountState{}, since: now, streamStart: now}
}

// RestoreHabits loads the habits of earlier runs.
func (d *Detector) RestoreHabits(now time.Time, habits []Habit) {
	for _, h := range habits {
		s := usage{h.First, h.Last, h.Last}
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

// List sets Asterisk's list of accounts.
func (d *Detector) List(list []Account) {
	d.listed, d.folded = make(map[string]Account, len(list)), make(map[string]string, len(list))
	for _, a := range list {
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
		if _, listed := d.listed[name]; listed {
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
	n := d.rules.Dialling.Read(c.Dialled)
	c.Outgoing, c.From = n.External, a.where(now).Source
	d.Up(c)
	s := signs{account: a, channel: c.Name, number: &n, from: a.where(now), hint: a.hint(now)}
	switch {
	case d.isAnonymous(a):
		a.checkAnonymous(&s)
	case d.isPhone(a):
		d.expectLogin(now, a, c.Name)
		if n.External {
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
			c.Dialled = d.sentInstead(a.name, c)
			c.Outgoing = d.rules.Dialling.Read(c.Dialled).External
		}
	}
	d.Tracker.ApplySnapshot(up)
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

func (d *Detector) learningDone(now time.Time) bool { return now.Sub(d.since) >= d.rules.Learn }

func (d *Detector) report(h Habit) {
	if d.Learned != nil {
		d.Learned(h)
	}
}
