package history

import (
	"errors"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Learner learns from records, in any order.
type Learner struct {
	rules    Rules
	now      time.Time
	accounts map[string]*account
	carriers map[string]bool
	callDays map[int64]bool // on which anybody called out
	night    map[int64]time.Duration
	readings readings // of what was dialled, and
	sent     readings // of what was sent to carriers
	entries  int      // days of accounts at places

	summary Summary
}

// account is what the records tell of an account.
type account struct {
	first, last time.Time // of its calls to the outside
	days        map[int64]*day
	places      map[place]*use
}

// day is what makes a day of an account suspicious or not.
type day struct {
	risky int
	night time.Duration
	hours [24]hour
}

// hour counts costly calls, answered or not.
type hour struct{ all, night uint16 }

type place struct {
	day    int64
	name   string
	closed bool // outside working hours, by the rules
	night  bool
}

// use is what was spent at a place on a day.
type use struct {
	spending.Use
	first, last time.Time
	country     string
}

// New returns a Learner of calls until now.
func New(now time.Time, rules Rules) *Learner {
	return &Learner{
		rules: rules, now: now, accounts: map[string]*account{}, carriers: map[string]bool{}, callDays: map[int64]bool{}, night: map[int64]time.Duration{},
	}
}

// Read learns from all records that a reader has. cancelled is asked now and then. Rows
// that cannot be read are counted.
func (l *Learner) Read(in cdr.Reader, cancelled func() error) error {
	var r cdr.Record
	for rows := uint64(1); ; rows++ {
		if rows%4096 == 0 {
			if err := cancelled(); err != nil {
				return err
			}
		}
		err := in.Next(&r)
		var bad *cdr.BadRow
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			l.bad(bad)
		case err != nil:
			return err
		case l.summary.Records-l.summary.Old >= MaxRecords:
			l.summary.More = true
			return nil
		default:
			l.add(&r)
		}
	}
}

const maxExample = 120

func (l *Learner) bad(b *cdr.BadRow) {
	if l.summary.Bad == 0 {
		l.summary.Example = b.Error() + ": " + string(b.Text[:min(len(b.Text), maxExample)])
	}
	l.summary.Bad++
}

// add learns from one record.
func (l *Learner) add(r *cdr.Record) {
	l.summary.Records++
	if age := l.now.Sub(r.Start); age > MaxAge || age < 0 {
		l.summary.Old++
		return
	}
	l.summary.see(r)
	if carrier := r.Carrier(); carrier != nil && len(l.carriers) < maxAccounts {
		l.carriers[string(carrier)] = true
	}
	caller := r.Caller()
	if len(caller) == 0 {
		return // of the PBX itself, or a line
	}
	name := string(caller)
	var sent []byte
	if r.ByNumber() {
		sent = r.Number()
	}
	c, n, forbidden := l.call(name, r.Dialled, sent)
	if !n.External && !forbidden {
		return
	}
	a := l.account(name)
	if a == nil {
		return
	}
	today := l.rules.day(r.Start)
	l.callDays[today] = true
	if l.now.Sub(r.Start) >= untaught {
		if a.first.IsZero() || r.Start.Before(a.first) {
			a.first = r.Start
		}
		if r.Start.After(a.last) {
			a.last = r.Start
		}
	}
	if c.Class == spending.None && !forbidden {
		return
	}
	c.Account = name
	l.costly(a, r, c, forbidden, today)
}

// costly learns from a call that costs.
func (l *Learner) costly(a *account, r *cdr.Record, c spending.Call, forbidden bool, today int64) {
	l.summary.Costly++
	d := a.days[today]
	if d == nil {
		d = &day{}
		a.days[today] = d
	}
	night := l.rules.night(r.Start)
	h := &d.hours[r.Start.In(l.rules.zone()).Hour()]
	h.all++
	if night {
		h.night++
	}
	risky := forbidden || c.Class.Risky()
	if risky {
		d.risky++
	}
	if night && r.Answered() {
		length := max(r.End.Sub(r.Answer), time.Minute)
		d.night += length
		l.night[today] += length
	}
	switch {
	case risky:
		l.summary.Risky++
	case !r.Answered():
	case l.now.Sub(r.End) < untaught:
		l.summary.Young++
	default:
		l.rules.Spending.Uses(c, r.Answer, r.End, func(u spending.Use) { l.use(a, r, u, c, night) })
	}
}

// use adds what a call has spent within an hour.
func (l *Learner) use(a *account, r *cdr.Record, u spending.Use, c spending.Call, night bool) {
	p := place{l.rules.day(time.Unix(u.Hour*3600, 0)), u.Place, u.Closed, night}
	x := a.places[p]
	if x == nil {
		if l.entries >= maxDays {
			l.summary.Left++
			return
		}
		l.entries++
		x = &use{Use: spending.Use{Hour: u.Hour, Account: u.Account, Place: u.Place, Closed: u.Closed}, first: r.Start}
		a.places[p] = x
	}
	x.Add(u.Sum)
	if r.Start.Before(x.first) {
		x.first = r.Start
	}
	if r.Start.After(x.last) {
		x.last = r.Start
	}
	if c.Class == spending.International {
		x.country = c.Place
	}
}

// account is what is known of an account; nil if there is no room.
func (l *Learner) account(name string) *account {
	a := l.accounts[name]
	if a == nil {
		if len(l.accounts) >= maxAccounts {
			l.summary.Left++
			return nil
		}
		a = &account{days: map[int64]*day{}, places: map[place]*use{}}
		l.accounts[name] = a
	}
	return a
}
