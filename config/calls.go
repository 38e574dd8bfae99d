package config

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the binary does not depend on the system's time zones

	"github.com/nyaruka/phonenumbers"
)

// Calls describes the calls that are normal at this site.
type Calls struct {
	Country        string // ISO 3166; "" is unknown
	OutsideLine    []string
	International  []string // prefixes; empty: those of Country
	InternalDigits int
	Emergency      []string // numbers besides those of Country
	Timezone       *time.Location
	Hours          []Hours // working hours; empty: around the clock
	Holidays       []Holiday
	Learn          time.Duration
	Carriers       []string
	Limits         CallLimits
	Groups         []CallGroup
	Budget         Budget
	History        History
}

// CallLimits are the limits of one account. Zero switches Rate, Concurrent, Gap,
// Variants and Dormant off.
type CallLimits struct {
	Rate, Concurrent             int
	Gap                          time.Duration
	Variants                     int
	OffHours, OffHoursConcurrent int
	Dormant                      time.Duration
	Allow, Deny                  []string
}

// CallGroup is a group of accounts with their own limits.
type CallGroup struct {
	Name     string
	Accounts []string
	Limits   CallLimits
	Budget   BudgetLimits
}

// Hours is a period on some days of the week, in minutes since midnight.
type Hours struct {
	Days     [7]bool // by time.Weekday
	From, To int
}

// Holiday is one day; year zero is every year.
type Holiday struct {
	Year  int
	Month time.Month
	Day   int
}

// destinationTypes are the types of numbers that allow and deny accept.
var destinationTypes = []string{"premium", "shared-cost", "satellite", "personal"}

// fileCalls mirrors [calls].
type fileCalls struct {
	Country        *string         `toml:"country"`
	OutsideLine    *[]string       `toml:"outside_line"`
	International  *[]string       `toml:"international"`
	InternalDigits *int            `toml:"internal_digits"`
	Emergency      *[]string       `toml:"emergency"`
	Timezone       *string         `toml:"timezone"`
	Hours          *[]string       `toml:"hours"`
	Holidays       *[]string       `toml:"holidays"`
	Learn          *string         `toml:"learn"`
	Carriers       *[]string       `toml:"carriers"`
	Group          []fileCallGroup `toml:"group"`
	Budget         fileBudget      `toml:"budget"`
	History        fileHistory     `toml:"history"`
	fileCallLimits
}

type fileCallLimits struct {
	Rate               *int      `toml:"rate"`
	Concurrent         *int      `toml:"concurrent"`
	Gap                *string   `toml:"gap"`
	Variants           *int      `toml:"variants"`
	OffHours           *int      `toml:"off_hours"`
	OffHoursConcurrent *int      `toml:"off_hours_concurrent"`
	Dormant            *string   `toml:"dormant"`
	Allow              *[]string `toml:"allow"`
	Deny               *[]string `toml:"deny"`
}

type fileCallGroup struct {
	Name     string            `toml:"name"`
	Accounts []string          `toml:"accounts"`
	Budget   *fileBudgetLimits `toml:"budget"`
	fileCallLimits
}

var digits = regexp.MustCompile(`^[0-9]{1,8}$`)

func (p *parser) calls(f *file, c *Calls) {
	in := &f.Calls
	set(in.Country, &c.Country)
	if c.Country != "" && phonenumbers.GetCountryCodeForRegion(c.Country) == 0 {
		p.fail("calls.country", `%q: want a two-letter country code (ISO 3166), such as "GB" or "US"%s`, c.Country, p.meantCountry(c.Country))
	}
	p.prefixes("calls.outside_line", in.OutsideLine, &c.OutsideLine)
	p.prefixes("calls.international", in.International, &c.International)
	p.number("calls.internal_digits", in.InternalDigits, &c.InternalDigits, 1, 10)
	p.emergency(in.Emergency, c)
	p.timezone(in.Timezone, c)
	p.hours(in.Hours, c)
	p.holidays(in.Holidays, c)
	p.duration("calls.learn", in.Learn, &c.Learn)
	set(in.Carriers, &c.Carriers)
	p.patterns("calls.carriers", c.Carriers)
	p.limits("calls", &in.fileCallLimits, &c.Limits)
	p.budget(&in.Budget, &c.Budget)
	p.history(&in.History, &c.History)
	if in.Group != nil {
		c.Groups = nil
	}
	for i, g := range in.Group {
		key := fmt.Sprintf("calls.group[%d]", i)
		group := CallGroup{Name: g.Name, Accounts: g.Accounts, Limits: c.Limits, Budget: c.Budget.BudgetLimits}
		if g.Name == "" {
			p.fail(key, "a group needs a name")
		}
		if len(g.Accounts) == 0 {
			p.fail(key, `group %q has no accounts: want names or patterns, such as ["1001", "2*"]`, g.Name)
		}
		p.patterns(key+".accounts", g.Accounts)
		p.limits(key, &g.fileCallLimits, &group.Limits)
		p.budgetLimits(key+".budget", g.Budget, &group.Budget)
		c.Groups = append(c.Groups, group)
	}
}

func (p *parser) limits(key string, in *fileCallLimits, l *CallLimits) {
	const many = 1_000_000
	p.number(key+".rate", in.Rate, &l.Rate, 0, many)
	p.number(key+".concurrent", in.Concurrent, &l.Concurrent, 0, many)
	p.orOff(key+".gap", in.Gap, &l.Gap)
	p.number(key+".variants", in.Variants, &l.Variants, 0, 32)
	p.number(key+".off_hours", in.OffHours, &l.OffHours, 0, many)
	p.number(key+".off_hours_concurrent", in.OffHoursConcurrent, &l.OffHoursConcurrent, 0, many)
	p.orOff(key+".dormant", in.Dormant, &l.Dormant)
	if l.Variants == 1 {
		p.fail(key+".variants", "1: want 0 (off) or 2 to 32, because everybody dials a number one way")
	}
	set(in.Allow, &l.Allow)
	set(in.Deny, &l.Deny)
	p.destinations(key+".allow", l.Allow)
	p.destinations(key+".deny", l.Deny)
}

// orOff reads a duration, or "off", which is zero.
func (p *parser) orOff(key string, in *string, out *time.Duration) {
	if in != nil && *in == "off" {
		*out = 0
		return
	}
	p.duration(key, in, out)
}

var numberStart = regexp.MustCompile(`^\+?[0-9]{1,15}$`)

func (p *parser) destinations(key string, items []string) {
	for _, item := range items {
		switch {
		case slices.Contains(destinationTypes, item), numberStart.MatchString(item):
		case len(item) == 2 && phonenumbers.GetCountryCodeForRegion(item) > 0:
		default:
			p.fail(key, `%q: want a country such as "FR", the first digits of a number such as "+4490" or "118", or one of %s%s`,
				item, strings.Join(destinationTypes, ", "), cmp.Or(meant(item, destinationTypes...), p.meantCountry(item)))
		}
	}
}

func (p *parser) prefixes(key string, in, out *[]string) {
	set(in, out)
	for _, s := range *out {
		if !digits.MatchString(s) {
			p.fail(key, "%q: want 1 to 8 digits", s)
		}
	}
}

var emergencyNumber = regexp.MustCompile(`^[0-9]{2,6}$`)

// emergency reads emergency numbers. Calls to them are never ended, so none may be long
// enough to be a number that costs.
func (p *parser) emergency(in *[]string, c *Calls) {
	set(in, &c.Emergency)
	for _, s := range c.Emergency {
		if !emergencyNumber.MatchString(s) {
			p.fail("calls.emergency", "%q: want an emergency number in full, of 2 to 6 digits, without the outside line", s)
		}
	}
}

func (p *parser) patterns(key string, list []string) {
	for _, s := range list {
		if _, err := path.Match(s, ""); err != nil || s == "" {
			p.fail(key, `%q: want the name of an account, or a pattern with * and ?`, s)
		}
	}
}

func (p *parser) timezone(in *string, c *Calls) {
	if in == nil {
		return
	}
	name := *in
	if name == "" {
		c.Timezone = time.Local
		return
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		p.fail("calls.timezone", `%q: want a time zone such as "Europe/London", or "" for this machine's%s`, name, meantZone(name))
		return
	}
	c.Timezone = zone
}

func isZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil
}

var (
	hoursForm = regexp.MustCompile(`^([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? ([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)
	dayForm   = regexp.MustCompile(`^(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})$`)
	weekdays  = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
)

func (p *parser) hours(in *[]string, c *Calls) {
	if in == nil {
		return
	}
	c.Hours = nil
	for _, s := range *in {
		h, ok := parseHours(s)
		if !ok {
			p.fail("calls.hours", `%q: want days and times such as "Mon-Fri 08:00-18:30" or "Sat 09:00-13:00", within one day`, s)
			continue
		}
		c.Hours = append(c.Hours, h)
	}
}

func parseHours(s string) (h Hours, ok bool) {
	m := hoursForm.FindStringSubmatch(s)
	if m == nil {
		return h, false
	}
	first := slices.Index(weekdays, m[1])
	last := first
	if m[2] != "" {
		last = slices.Index(weekdays, m[2])
	}
	if first < 0 || last < 0 {
		return h, false
	}
	for d := first; ; d = (d + 1) % 7 {
		h.Days[d] = true
		if d == last {
			break
		}
	}
	n := make([]int, 4)
	for i := range n {
		n[i], _ = strconv.Atoi(m[3+i]) // two digits each
	}
	h.From, h.To = n[0]*60+n[1], n[2]*60+n[3]
	return h, n[1] < 60 && n[3] < 60 && h.From < h.To && h.To <= 24*60
}

func (p *parser) holidays(in *[]string, c *Calls) {
	if in == nil {
		return
	}
	c.Holidays = nil
	for _, s := range *in {
		m := dayForm.FindStringSubmatch(s)
		if m == nil {
			p.fail("calls.holidays", `%q: want a day such as "2026-04-03", or "12-25" for every year`, s)
			continue
		}
		year, _ := strconv.Atoi(m[1]) // "" is 0, every year
		month, _ := strconv.Atoi(m[2])
		day, _ := strconv.Atoi(m[3])
		in2000 := time.Date(max(year, 2000), time.Month(month), day, 0, 0, 0, 0, time.UTC)
		if month < 1 || month > 12 || in2000.Day() != day {
			p.fail("calls.holidays", "%q: no such date", s)
			continue
		}
		c.Holidays = append(c.Holidays, Holiday{year, time.Month(month), day})
	}
}
