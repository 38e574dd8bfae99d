package calls

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Dialling is how numbers are dialled at the site.
type Dialling struct {
	// Country is the site's own, as ISO 3166 has it ("GB"). Without it only
	// numbers with an international prefix can be told.
	Country string
	// Outside are the digits that ask for an outside line, such as "9".
	Outside []string
	// International are the prefixes of foreign numbers. Empty: those usual in
	// Country, or 00 and 011 when there is none.
	International []string
	// Internal is how many digits a number inside the house has at most.
	Internal int
}

// Number is what a dialled string means.
type Number struct {
	Digits   string // as dialled: digits, and a + in front
	E164     string // with +, "" when it cannot be told
	Country  string // ISO 3166; "001" for numbers of no country, "" when it cannot be told
	Type     string // one of Types, "" for all others
	External bool   // it leaves the house
	Foreign  bool   // it leaves the country
}

// Types are the types of numbers that a rule can name.
var Types = []string{"premium", "shared-cost", "satellite", "personal"}

// special are types by the beginning of a number where libphonenumber does not
// say what a bill says. The codes of no country are those of ITU E.164: it knows
// some of them only as possible numbers, and a call to an invalid one is billed
// all the same. Britain's 084 and 087 cost a few pence (Ofcom's numbering plan).
var special = []struct{ prefix, kind string }{
	{"+870", "satellite"}, // Inmarsat
	{"+878", "personal"},  // universal personal telecommunications
	{"+881", "satellite"}, // global mobile satellite systems
	{"+882", "satellite"}, // international networks, Thuraya and maritime among them
	{"+883", "satellite"}, // international networks
	{"+979", "premium"},   // international premium rate
	{"+4484", "shared-cost"},
	{"+4487", "shared-cost"},
}

// Read tells what a dialled string means. The reading that gives a number that
// can exist wins: as the site dials, then as strangers try prefixes.
func (d *Dialling) Read(dialled string) Number {
	digits, feature := digitsOf(dialled)
	n := Number{Digits: digits}
	if feature || len(strings.TrimPrefix(digits, "+")) <= d.Internal {
		return n
	}
	n.External = true
	var fallback *phonenumbers.PhoneNumber
	for _, reading := range d.readings(digits) {
		parsed := d.parse(reading)
		if parsed == nil {
			continue
		}
		if phonenumbers.IsValidNumber(parsed) {
			return d.described(n, parsed)
		}
		if fallback == nil {
			fallback = parsed
		}
	}
	if fallback != nil {
		return d.described(n, fallback)
	}
	return n
}

// readings are what remains of the digits when an outside line is asked for,
// the likeliest first.
func (d *Dialling) readings(digits string) []string {
	var list []string
	for _, o := range d.Outside {
		if rest, ok := strings.CutPrefix(digits, o); ok && len(rest) > d.Internal {
			list = append(list, rest)
		}
	}
	list = append(list, digits)
	for _, o := range []string{"9", "0"} {
		if rest, ok := strings.CutPrefix(digits, o); ok && len(d.Outside) == 0 {
			list = append(list, rest)
		}
	}
	return list
}

// parse reads a number without its outside line; nil when it is none.
func (d *Dialling) parse(number string) *phonenumbers.PhoneNumber {
	prefixes := d.International
	if len(prefixes) == 0 && d.Country == "" {
		prefixes = []string{"00", "011"}
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(number, p); ok {
			number = "+" + rest
			break
		}
	}
	region := d.Country
	if region == "" {
		region = "ZZ" // unknown: only numbers with + can be told
	}
	parsed, err := phonenumbers.Parse(number, region)
	if err != nil {
		return nil
	}
	return parsed
}

// described fills in what a parsed number is.
func (d *Dialling) described(n Number, p *phonenumbers.PhoneNumber) Number {
	n.E164 = phonenumbers.Format(p, phonenumbers.E164)
	n.Country = phonenumbers.GetRegionCodeForNumber(p)
	if n.Country == "" {
		n.Country = phonenumbers.GetRegionCodeForCountryCode(int(p.GetCountryCode()))
	}
	if n.Country == "ZZ" {
		n.Country = ""
	}
	n.Foreign = n.Country != d.Country
	n.Type = typeOf(n.E164, p)
	return n
}

func typeOf(e164 string, p *phonenumbers.PhoneNumber) string {
	for _, w := range special {
		if strings.HasPrefix(e164, w.prefix) {
			return w.kind
		}
	}
	switch phonenumbers.GetNumberType(p) {
	case phonenumbers.PREMIUM_RATE:
		return "premium"
	case phonenumbers.SHARED_COST:
		return "shared-cost"
	case phonenumbers.PERSONAL_NUMBER:
		return "personal"
	}
	return ""
}

// maxDialled is more than any number has; Asterisk cuts at 79.
const maxDialled = 79

// digitsOf takes the digits out of what was dialled. A feature code, or a name,
// is no number.
func digitsOf(dialled string) (digits string, feature bool) {
	var b strings.Builder
	for i, c := range dialled[:min(len(dialled), maxDialled)] {
		switch {
		case c >= '0' && c <= '9', c == '+' && b.Len() == 0:
			b.WriteRune(c)
		case strings.ContainsRune(" -.()/", c):
		case i == 0:
			return "", true
		default:
			return b.String(), false
		}
	}
	return b.String(), b.Len() == 0
}

// Destinations are where an account may call. What Deny names may not be
// called; when Allow names anything, neither may any foreign number that it
// does not name.
//
// An item is a country ("GB"), a type of number (Types), or the beginning of a
// number: "+4490" in the international form, "118" as dialled.
type Destinations struct {
	Allow, Deny []string
}

// forbids says whether a number may not be called, and by which item.
func (d *Destinations) forbids(n *Number) (why string, forbidden bool) {
	if i := slices.IndexFunc(d.Deny, n.is); i >= 0 {
		return d.Deny[i], true
	}
	if len(d.Allow) > 0 && (n.Foreign || n.E164 == "") && !slices.ContainsFunc(d.Allow, n.is) {
		return "not allowed", true
	}
	return "", false
}

// is says whether an item of Destinations names the number.
func (n *Number) is(item string) bool {
	switch {
	case strings.HasPrefix(item, "+"):
		return n.E164 != "" && strings.HasPrefix(n.E164, item)
	case item[0] >= '0' && item[0] <= '9':
		return strings.HasPrefix(n.Digits, item)
	case len(item) == 2:
		return n.Country == item
	}
	return n.Type == item
}
