package calls

import (
	"fmt"
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
	rules    Rules
	accounts map[string]*account
	listed   map[string]Account // by Asterisk; nil before it told
	since    time.Time          // how long habits have been watched
	watch    span
	logins   bool // a login was seen since Listening: the event stream has them
	from     time.Time
	unseen   []waiting // calls whose login has not been seen yet, oldest first
	refused  uint64

	// Learned, if set, is told of each habit that is new, and once a day again.
	Learned func(Habit)
}

// waiting is a call that waits for its login to be seen.
type waiting struct {
	at      time.Time
	account string
	channel string
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
	logins    []login     // the newest of each source
	networks  map[netip.Prefix]*span
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

// NewDetector follows calls from now on.
func NewDetector(now time.Time, rules Rules) *Detector {
	rules.Dialling.Read("+442079460001") // the library loads its tables now, not in the first call
	return &Detector{Tracker: New(), rules: rules, accounts: map[string]*account{}, since: now, from: now}
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
		case HabitNetwork:
			if p, err := netip.ParsePrefix(h.Value); err == nil && now.Sub(h.Last) < remember {
				a.networks[p] = &s
			}
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
	d.from, d.logins, d.unseen = now, false, d.unseen[:0]
}

// List takes Asterisk's own list of accounts.
func (d *Detector) List(list []Account) {
	d.listed = make(map[string]Account, len(list))
	for _, a := range list {
		d.listed[a.Name] = a
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
			networks: map[netip.Prefix]*span{}, countries: map[string]*span{},
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

// anonymous says whether calls of this name are nobody's: PJSIP's endpoint for
// them, or a chan_sip guest, whose channel has a name that Asterisk does not
// list.
func (d *Detector) anonymous(a *account) bool {
	if a.carrier || d.listed == nil {
		return false
	}
	if a.name == "anonymous" || strings.HasPrefix(a.name, "anonymous@") {
		return true
	}
	_, listed := d.listed[a.name]
	return !listed && len(a.logins) == 0
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
	s := signs{account: a, channel: c.Name, number: &n, from: a.where(now)}
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

// signs gathers the signs of one call.
type signs struct {
	list    []Sign
	account *account
	channel string
	number  *Number
	from    Login
}

func (s *signs) add(k Kind, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	if s.number != nil {
		detail = s.number.Digits + ": " + detail
	}
	s.list = append(s.list, Sign{Kind: k, Account: s.account.name, Channel: s.channel, From: s.from, Detail: detail})
}

// judge looks at one call that leaves the house.
func (d *Detector) judge(now time.Time, a *account, s *signs) {
	if why, forbidden := a.limits.Destinations.forbids(s.number); forbidden {
		s.add(ForbiddenDestination, "%s %s", s.number.where(), why)
	}
	a.rate(now, s)
	if live := d.Outgoing(a.name); live > a.limits.Concurrent && a.limits.Concurrent > 0 {
		s.add(ConcurrentCalls, "%d calls at once", live)
	}
	a.probing(now, s)
	if d.rules.Hours.off(now) {
		a.offHours(now, d.Outgoing(a.name), s)
	}
	d.dormant(now, a, s)
	d.country(now, a, s)
}

func (n *Number) where() string {
	if n.Country == "" {
		return "somewhere,"
	}
	return n.Country + ","
}

// rate keeps the start of the call and looks at those before it.
func (a *account) rate(now time.Time, s *signs) {
	if last := len(a.starts) - 1; last >= 0 {
		if gap := now.Sub(a.starts[last]); gap < a.limits.Gap {
			s.add(Cadence, "%s after the call before", gap.Round(time.Millisecond))
		}
	}
	for len(a.starts) > 0 && (now.Sub(a.starts[0]) >= hour || len(a.starts) >= maxStarts) {
		a.starts = a.starts[1:]
	}
	a.starts = append(a.starts, now)
	if n := a.since(now.Add(-minute)); n >= a.limits.Rate && a.limits.Rate > 0 {
		s.add(CallRate, "call %d within a minute", n)
	}
}

// since counts the calls that started after t.
func (a *account) since(t time.Time) int {
	n := 0
	for i := len(a.starts) - 1; i >= 0 && a.starts[i].After(t); i-- {
		n++
	}
	return n
}

// offHours applies the limits of the night.
func (a *account) offHours(now time.Time, live int, s *signs) {
	if n := a.since(now.Add(-hour)); n > a.limits.OffHours {
		s.add(OffHours, "call %d within an hour, outside the hours", n)
	} else if live > a.limits.OffHoursConcurrent {
		s.add(OffHours, "%d calls at once, outside the hours", live)
	}
}

// probing groups what was dialled by the longest common end: a thief who does
// not know how the site dials tries one number behind different prefixes.
func (a *account) probing(now time.Time, s *signs) {
	digits := s.number.Digits
	kept, again := a.dialed[:0], false
	for _, e := range a.dialed {
		if e.digits == digits {
			e.at, again = now, true
		}
		if now.Sub(e.at) < ProbeWithin {
			kept = append(kept, e)
		}
	}
	a.dialed = kept
	if again {
		return // no further way to dial it
	}
	ways := 1
	for _, e := range kept {
		if commonEnd(e.digits, digits) >= sameNumber {
			ways++
		}
	}
	if ways >= a.limits.Variants && a.limits.Variants > 0 {
		s.add(DialProbing, "way %d to dial one number", ways)
	}
	if len(kept) >= maxDialed {
		kept = append(kept[:0], kept[1:]...)
	}
	a.dialed = append(kept, dialed{digits, now})
}

func commonEnd(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// dormant says that an account was asleep until this call.
func (d *Detector) dormant(now time.Time, a *account, s *signs) {
	last := a.last.last
	if last.Before(d.since) {
		last = d.since // nobody knows what was before
	}
	if silent := now.Sub(last); silent >= a.limits.Dormant && a.limits.Dormant > 0 {
		s.add(Dormant, "the first call after %d days", int(silent.Hours()/24))
	}
	if a.last.see(now) {
		d.tell(Habit{a.name, HabitCall, "", a.last.first, a.last.last})
	}
}

// country keeps where the account calls.
func (d *Detector) country(now time.Time, a *account, s *signs) {
	n := s.number
	if n.Country == "" {
		return
	}
	known := a.countries[n.Country]
	if known == nil {
		if len(a.countries) >= maxCountries {
			return
		}
		known = &span{}
		a.countries[n.Country] = known
		if n.Foreign && d.learned(now) {
			s.add(NewCountry, "the first call to %s", n.Country)
		}
	}
	if known.see(now) {
		d.tell(Habit{a.name, HabitCountry, n.Country, known.first, known.last})
	}
}

func (d *Detector) learned(now time.Time) bool { return now.Sub(d.since) >= d.rules.Learn }

func (d *Detector) tell(h Habit) {
	if d.Learned != nil {
		d.Learned(h)
	}
}

// anonymousCall looks at a call that nobody logged in for.
func (a *account) anonymousCall(s *signs) {
	if s.number.External && (s.number.Foreign || s.number.Country == "") {
		s.add(AnonymousCall, "dialled like an outgoing call, without a login")
	}
}

// End takes the end of a channel and returns the channel; one never seen is not
// ok.
func (d *Detector) End(now time.Time, name string) (c Channel, s []Sign, ok bool) {
	c, ok = d.Down(name)
	if !ok {
		return c, nil, false
	}
	a := d.accounts[c.Account]
	if a == nil || !c.Calling || now.Sub(c.Since) > shortCall || !d.anonymous(a) {
		return c, nil, true
	}
	for len(a.ended) > 0 && now.Sub(a.ended[0]) >= ProbeWithin {
		a.ended = a.ended[1:]
	}
	if a.ended = append(a.ended, now); len(a.ended) < shortCalls {
		return c, nil, true
	}
	a.ended = a.ended[len(a.ended)-shortCalls:]
	return c, []Sign{{
		Kind: AnonymousCall, Account: a.name, Channel: name,
		Detail: c.Dialled + ": short calls one after another, without a login",
	}}, true
}

// Rebuild replaces the picture of channels by Asterisk's, as after a gap.
func (d *Detector) Rebuild(now time.Time, up []Channel) {
	for i := range up {
		c := &up[i]
		if known, ok := d.Channel(c.Name); ok {
			c.Calling, c.Outgoing = known.Calling, known.Outgoing
			continue
		}
		if a := d.account(now, c.Account); c.Calling && a != nil && d.phone(a) {
			c.Outgoing = d.rules.Dialling.Read(c.Dialled).External
		}
	}
	d.Tracker.Rebuild(up)
}

// Refused counts what was not followed because of the bounds.
func (d *Detector) Refused() uint64 { return d.refused + d.Tracker.Refused() }

// Followed is the number of accounts that something is known of.
func (d *Detector) Followed() int { return len(d.accounts) }

// Configure puts other rules in force; what is known stays.
func (d *Detector) Configure(rules Rules) {
	d.rules = rules
	for _, a := range d.accounts {
		a.limits, a.carrier = d.rules.limits(a.name), d.rules.carrier(a.name)
	}
}
