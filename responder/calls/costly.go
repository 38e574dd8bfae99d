package calls

import (
	"net/netip"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Placed returns the sign of an outgoing call that has just begun, or of a number that
// an account has just redirected a call to: a sign of kind Placed, which becomes no
// signal. It is to be called with the same now after Call, Transfer or CheckRedirect.
// ok is false unless the account is a phone and the number is outside the site.
func (d *Detector) Placed(now time.Time, account, number, channel string) (s Sign, ok bool) {
	a := d.accounts[account]
	if a == nil || !d.isPhone(a) {
		return Sign{}, false
	}
	n := d.rules.Dialling.Read(number)
	hidden := d.rules.Dialling.Hidden(number)
	if !n.External && hidden == "" {
		return Sign{}, false
	}
	s = Sign{Kind: Placed, Account: account, Channel: channel, From: a.where(now), Hint: a.hint(now), Detail: n.Digits}
	_, s.Forbidden = a.limits.Destinations.forbids(&n)
	if s.Cost = d.cost(a.limits, &n); s.Cost != "" {
		s.NewCountry = n.Country != "" && n.Country != d.rules.Dialling.Country && a.isNew(n.Country, now)
	}
	if hidden != "" && !s.Forbidden && n.Type == "" && !n.Foreign {
		s.Cost, s.Detail = hidden, allDigits(number)
	}
	return s, true
}

// isNew says whether an account first called a country within the hour.
func (a *accountState) isNew(country string, now time.Time) bool {
	u := a.countries[country]
	return u == nil || now.Sub(u.first) < hour
}

// Cost says in words why a call of an account to a number costs more than others; "" if
// it does not.
func (d *Detector) Cost(account, number string) string {
	if n := d.rules.Dialling.Read(number); n.External {
		why := d.cost(d.rules.limitsOf(account), &n)
		if hidden := d.rules.Dialling.Hidden(number); hidden == "" || n.Type != "" || n.Foreign || strings.HasPrefix(why, "forbidden") {
			return why
		}
	}
	return d.rules.Dialling.Hidden(number)
}

func (d *Detector) cost(l *Limits, n *Number) string {
	if reason, forbidden := l.Destinations.forbids(n); forbidden {
		return "forbidden (" + reason + ")"
	}
	switch {
	case n.Type != "":
		return n.Type
	case n.Foreign:
		return "international (" + n.Country + ")"
	}
	if why := d.foreignAnyway(n); why != "" {
		return why
	}
	if n.E164 == "" && d.rules.Dialling.Country != "" { // without a country, a local one cannot be read either
		return noNumber
	}
	return ""
}

// noNumber is why a call may cost more that goes to no number of any country.
const noNumber = "no number of any country"

// foreignAnyway says why a number costs that is no valid one in this country, but one
// abroad without the international prefix: a dialplan may send it there.
func (d *Detector) foreignAnyway(n *Number) string {
	digits := strings.TrimPrefix(n.Digits, "+")
	if len(digits) < minE164 || n.Digits != digits || strings.HasPrefix(digits, "0") || n.valid() {
		return ""
	}
	r := d.rules.Dialling.Read("+" + digits)
	switch {
	case r.Type != "" && r.Foreign:
		return r.Type
	case r.Foreign && r.valid():
		return "international (" + r.Country + ")"
	}
	return ""
}

const (
	// maxBefore is how many characters may come before a number that hides behind them.
	maxBefore = 8
	// minHidden is how many digits such a number has at least: shorter ones turn up by
	// chance.
	minHidden = 10
)

// Hidden says why a dialled string costs that is no valid number, because of one that
// it ends with: behind the digits of an outside line that is not configured, a feature
// code such as *31#, or characters that a carrier leaves out. It returns "" if there is
// none.
func (d *Dialling) Hidden(dialled string) string {
	if n := d.Read(dialled); n.valid() {
		return ""
	}
	digits := allDigits(dialled)
	for i := 0; i <= maxBefore && len(digits)-i >= minHidden; i++ {
		rest, abroad := d.abroad(digits[i:])
		n := d.Read(rest)
		switch {
		case !n.valid():
		case n.Type != "":
			return n.Type
		case abroad && n.Foreign:
			return "international (" + n.Country + ")"
		}
	}
	return ""
}

// abroad gives a number with a + in place of its international prefix. ok is false if it
// has none.
func (d *Dialling) abroad(digits string) (number string, ok bool) {
	for _, p := range append([]string{"+", "00", "011"}, d.International...) {
		if rest, ok := strings.CutPrefix(digits, p); ok {
			return "+" + rest, true
		}
	}
	return digits, false
}

// allDigits are all digits and + of a dialled string, without its parameters.
func allDigits(dialled string) string {
	dialled, _, _ = strings.Cut(dialled[:min(len(dialled), maxDialledLength)], ";")
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c == '+' {
			return c
		}
		return -1
	}, dialled)
}

// minE164 is how many digits a number abroad has at least: shorter ones may be local
// numbers without their area code.
const minE164 = 11

// valid says whether the numbering plan of its country has such numbers.
func (n *Number) valid() bool {
	if n.E164 == "" {
		return false
	}
	parsed, err := phonenumbers.Parse(n.E164, "ZZ")
	return err == nil && phonenumbers.IsValidNumber(parsed)
}

// inUse is how long after its last login a place counts as one that the account's phone
// is at: phones register once an hour or more often.
const inUse = time.Hour

// Phones returns the places that an account has logged in from lately.
func (d *Detector) Phones(now time.Time, account string) (list []Login) {
	a := d.accounts[account]
	if a == nil {
		return nil
	}
	for i := range a.logins {
		if now.Sub(a.logins[i].at) < inUse {
			list = append(list, a.logins[i].Login)
		}
	}
	return list
}

// Place records where a call comes from.
func (t *Tracker) Place(channel string, from netip.Addr) {
	if c, ok := t.byName[channel]; ok && from.IsValid() {
		c.From = from
		t.byName[channel] = c
	}
}

// CostlyElsewhere returns a costly call of an account that is up, began after a time, and
// is known to come from another network than an address.
func (d *Detector) CostlyElsewhere(account string, from netip.Addr, after time.Time) (c Channel, ok bool) {
	a := d.accounts[account]
	if a == nil || d.outgoing[account] == 0 {
		return Channel{}, false
	}
	here := event.NetworkPrefix(from)
	for _, c := range d.byName {
		if c.Account != account || !c.Outgoing || !c.Since.After(after) || !c.From.IsValid() || event.NetworkPrefix(c.From) == here {
			continue
		}
		if n := d.rules.Dialling.Read(c.Dialled); d.cost(a.limits, &n) != "" {
			return c, true
		}
	}
	return Channel{}, false
}

// Trust records that an address is the account's own, because a person says so: it counts
// as used just now.
func (d *Detector) Trust(now time.Time, account string, at netip.Addr) {
	d.places.UseNetwork(now, account, at)
}
