package calls

import (
	"net/netip"
	"strings"
	"time"
)

// Bounds and times of what is followed.
const (
	// maxAccounts bounds the accounts followed. Strangers can add to them only
	// where guests may call.
	maxAccounts = 1 << 16
	// minute and hour are the windows of the rates.
	minute = time.Minute
	hour   = time.Hour
	// ProbeWithin is the time within which ways to dial one number are compared.
	ProbeWithin = 10 * time.Minute
	// sameNumber is how many last digits two dialled strings must share to be
	// one number behind different prefixes: as many as most subscribers have.
	sameNumber = 8
	maxDialed  = 32 // strings compared, of one account
	// maxStarts bounds the starts of calls kept of one account.
	maxStarts = 256
	// together is how far apart a login and its call are at most: the events
	// take different ways through Asterisk.
	together = 2 * time.Second
	// shortCall is a call that was only to see whether it goes through, and
	// shortCalls of them within ProbeWithin are a burst.
	shortCall  = 20 * time.Second
	shortCalls = 3
)

// Account is what Asterisk says of one of its accounts.
type Account struct {
	Name string
	// Login says that the account has to log in for each call.
	Login bool
	// Sure says that each of its calls raises a SuccessfulAuth: chan_sip's do
	// so only under conditions.
	Sure bool
}

// Contact is one registration.
type Contact struct {
	Account string
	Source  netip.Addr
	Agent   string
}

// Detector finds what is unusual about the calls of each account. It has no
// lock and no clock: its owner calls it from one goroutine at a time.
type Detector struct {
	*Tracker
	places   Places
	rules    Rules
	accounts map[string]*account
	listed   map[string]Account // by Asterisk; nil before it told
	folded   map[string]string  // their names by the same in lower case
	since    time.Time          // how long habits have been watched
	watch    span
	logins   bool // a login was seen since Listening: the event stream has them
	from     time.Time
	unseen   []waiting        // calls whose login has not been seen yet, oldest first
	held     map[Contact]bool // the registrations last told, without their agents; nil before that
	heldAt   time.Time
	refused  uint64

	// Learned, if set, is told of each habit that is new, and once a day again.
	Learned func(Habit)
}

// account is what is known of one account.
type account struct {
	name      string
	limits    *Limits
	carrier   bool
	used      time.Time   // when it was last touched
	starts    []time.Time // of calls within an hour, the newest maxStarts
	dialed    []dialed    // the newest maxDialed
	ended     []time.Time // of short calls without a login
	login     time.Time   // the last one seen
	logins    []login     // the newest of each source
	invites   []login     // sources that a call of the account was last announced from; chan_sip
	countries map[string]*span
	last      span      // of calls
	callLogin bool      // the login of one of its calls was seen once
	alternate time.Time // when TwoNetworks was last said
	agents    map[string]bool
}

type dialed struct {
	digits string
	at     time.Time
}

// login is where an account was used from, and when.
type login struct {
	Login
	at   time.Time
	prev time.Time // the time before
}

// Places knows where accounts are at home.
type Places interface {
	// UseNetwork records that an account is used from the network of an address;
	// first says that it was not known there, and young that it is not at home
	// there yet.
	UseNetwork(now time.Time, account string, source netip.Addr) (first, young bool)
	// AssumeHome makes the network of an address an account's home if nothing is
	// known of the account's networks.
	AssumeHome(now time.Time, account string, source netip.Addr)
	// Home says whether an account has long been used from the network of an
	// address, and Young whether it is known in a network, but not at home yet.
	Home(now time.Time, account string, source netip.Addr) bool
	Young(now time.Time, account string, network netip.Prefix) bool
}

// NewDetector follows calls from now on.
func NewDetector(now time.Time, rules Rules, places Places) *Detector {
	rules.Dialling.Read("+442079460001") // the library loads its tables now, not in the first call
	return &Detector{Tracker: New(), places: places, rules: rules, accounts: map[string]*account{}, since: now, from: now}
}

// Recall takes over the habits of former runs.
func (d *Detector) Recall(now time.Time, habits []Habit) {
	for _, h := range habits {
		s := span{h.First, h.Last, h.Last}
		if h.Kind == HabitWatch {
			d.watch = s
			if now.Sub(h.Last) < pause {
				d.since = h.First
			} else {
				d.watch = span{}
			}
			continue
		}
		a := d.account(now, h.Account)
		if a == nil {
			continue
		}
		switch h.Kind {
		case HabitCall:
			a.last = s
		case HabitCountry:
			a.countries[h.Value] = &s
		}
	}
}

// Watching keeps the time since which habits have been watched.
func (d *Detector) Watching(now time.Time) {
	if d.watch.first.IsZero() {
		d.watch.first = d.since
	}
	if d.watch.last.IsZero() || now.Sub(d.watch.last) >= hour {
		d.watch.last = now
		d.tell(Habit{Kind: HabitWatch, First: d.watch.first, Last: now})
	}
}

// Listening says that the events come in without a gap from now on.
func (d *Detector) Listening(now time.Time) {
	d.from, d.logins, d.unseen, d.held = now, false, d.unseen[:0], nil
}

// Named is the account of Asterisk's list that has the first of these names that
// is on it, in whatever case: chan_sip does not tell it apart (peer_cmp_cb).
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

// List takes Asterisk's own list of accounts.
func (d *Detector) List(list []Account) {
	d.listed, d.folded = make(map[string]Account, len(list)), make(map[string]string, len(list))
	for _, a := range list {
		d.listed[a.Name] = a
		d.folded[strings.ToLower(a.Name)] = a.Name
	}
}

// account finds or makes an account; nil when there is no room.
func (d *Detector) account(now time.Time, name string) *account {
	a := d.accounts[name]
	if a == nil {
		if len(d.accounts) >= maxAccounts && !d.makeRoom() {
			d.refused++
			return nil
		}
		a = &account{
			name: name, limits: d.rules.limits(name), carrier: d.rules.carrier(name),
			countries: map[string]*span{},
		}
		d.accounts[name] = a
	}
	a.used = now
	return a
}

// makeRoom lets go of the account longest not used among a few that Asterisk
// does not list.
func (d *Detector) makeRoom() bool {
	var oldest *account
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

// phone says whether what the account does is a person's: it logs in.
func (d *Detector) phone(a *account) bool {
	return !a.carrier && (d.listed[a.name].Login || len(a.logins) > 0)
}

// isPhone is phone by the account's name.
func (d *Detector) isPhone(name string) bool {
	if a := d.accounts[name]; a != nil {
		return d.phone(a)
	}
	return d.listed[name].Login && !d.rules.carrier(name)
}

// Call takes a call that a phone sets up and returns what is unusual about it.
func (d *Detector) Call(now time.Time, c Channel) []Sign {
	a := d.account(now, c.Account)
	if a == nil {
		d.Up(c)
		return nil
	}
	n := d.rules.Dialling.Read(c.Dialled)
	c.Outgoing = n.External
	d.Up(c)
	s := signs{account: a, channel: c.Name, number: &n, from: a.where(now), hint: a.hint(now)}
	switch {
	case d.anonymous(a):
		a.anonymousCall(&s)
	case d.phone(a):
		d.expectLogin(now, a, c.Name)
		if n.External {
			d.judge(now, a, &s)
		}
	}
	return s.list
}

// Rebuild makes the picture of channels Asterisk's, as after a gap.
func (d *Detector) Rebuild(now time.Time, up []Channel) {
	for i := range up {
		c := &up[i]
		if _, known := d.Channel(c.Name); known || !c.Calling || c.Account == "" {
			continue
		}
		if a := d.account(now, c.Account); a != nil && d.phone(a) {
			c.Outgoing = d.rules.Dialling.Read(c.Dialled).External
		}
	}
	d.Tracker.Rebuild(up)
}

// Refused counts what was not followed because of the bounds.
func (d *Detector) Refused() uint64 { return d.refused + d.Tracker.Refused() }

// Configure puts other rules in force; what is known stays.
func (d *Detector) Configure(rules Rules) {
	d.rules = rules
	for _, a := range d.accounts {
		a.limits, a.carrier = d.rules.limits(a.name), d.rules.carrier(a.name)
	}
}

func (d *Detector) learned(now time.Time) bool { return now.Sub(d.since) >= d.rules.Learn }

func (d *Detector) tell(h Habit) {
	if d.Learned != nil {
		d.Learned(h)
	}
}
