package calls

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Dialling describes how numbers are dialled at the site.
type Dialling struct {
	// Country is the site's country by its ISO 3166 code ("GB"). Without it, only
	// numbers with an international prefix can be recognised.
	Country string
	// Outside lists the prefixes for an outside line, such as "9".
	Outside []string
	// International lists the prefixes of foreign numbers. The default is the usual
	// prefix in Country, or 00 and 011 without a Country.
	International []string
	// Internal is the maximum length of an internal number.
	Internal int
}

// Number is the meaning of a dialled string.
type Number struct {
	Digits   string // as dialled: digits, with an optional + in front
	E164     string // with +; "" if unknown
	Country  string // ISO 3166; "001" for numbers of no country; "" if unknown
	Type     string // premium, shared-cost, satellite, personal or ""
	External bool   // outside the site
	Foreign  bool   // outside the country
}

// special maps prefixes to number types where libphonenumber differs from how calls
// are billed. The codes without a country are from ITU E.164: libphonenumber knows
// some of them only as possible numbers, but calls to invalid ones are billed too.
// Britain's 084 and 087 cost a few pence (Ofcom's numbering plan).
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

// Read returns the meaning of a dialled string. It tries the site's own prefixes
// first, then common ones that attackers try, and takes the first valid number.
func (d *Dialling) Read(dialled string) Number {
	digits, feature := digitsOf(dialled)
	n := Number{Digits: digits}
	if feature || len(strings.TrimPrefix(digits, "+")) <= d.Internal {
		return n
	}
	n.External = true
	parsed, valid := d.best(digits)
	if !valid {
		if within := d.overdialled(digits); within != nil {
			parsed = within
		}
	}
	if parsed != nil {
		return d.described(n, parsed)
	}
	return n
}

// best is the first reading of some digits that is a valid number, or else the first that
// is a number at all; nil if none is.
func (d *Dialling) best(digits string) (n *phonenumbers.PhoneNumber, valid bool) {
	for _, reading := range d.readings(digits) {
		parsed := d.parse(reading)
		if parsed == nil {
			continue
		}
		if phonenumbers.IsValidNumber(parsed) {
			return parsed, true
		}
		if n == nil {
			n = parsed
		}
	}
	return n, false
}

// maxOverdialled is how many digits of a number are looked at for one that it begins with:
// an international prefix and the 15 digits of E.164.
const maxOverdialled = 20

// overdialled is the premium or satellite number that some digits begin with which are no
// valid number themselves: the network connects a call once the number is complete, and
// ignores further digits. It is nil if there is none.
func (d *Dialling) overdialled(digits string) *phonenumbers.PhoneNumber {
	for end := min(len(digits)-1, maxOverdialled); end > d.Internal; end-- {
		parsed, valid := d.best(digits[:end])
		if !valid {
			continue
		}
		switch typeOf(phonenumbers.Format(parsed, phonenumbers.E164), parsed) {
		case "premium", "satellite":
			return parsed
		}
		return nil
	}
	return nil
}

// readings returns the digits without each possible outside-line prefix, the most
// likely first.
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

// parse parses a number without an outside-line prefix. It returns nil if that fails.
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
		region = "ZZ" // unknown: only numbers with + can be recognised
	}
	parsed, err := phonenumbers.Parse(number, region)
	if err != nil {
		return nil
	}
	return parsed
}

// described fills in n from a parsed number.
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

// maxDialledLength is where Asterisk cuts off a number.
const maxDialledLength = 79

// digitsOf returns the digits of a dialled string. feature is true for a feature code
// or a name.
func digitsOf(dialled string) (digits string, feature bool) {
	var b strings.Builder
	for i, c := range dialled[:min(len(dialled), maxDialledLength)] {
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

// Destinations are the numbers that an account may call. It may not call what Deny
// lists. If Allow is not empty, it may not call foreign numbers that Allow does not
// list either.
//
// An item is a country ("GB"), a number type ("premium") or the prefix of a number:
// "+4490" in international form, "118" as dialled.
type Destinations struct {
	Allow, Deny []string
}

// forbids reports whether a number is forbidden, and the item that forbids it.
func (d *Destinations) forbids(n *Number) (reason string, forbidden bool) {
	if i := slices.IndexFunc(d.Deny, n.is); i >= 0 {
		return d.Deny[i], true
	}
	if len(d.Allow) > 0 && (n.Foreign || n.E164 == "") && !slices.ContainsFunc(d.Allow, n.is) {
		return "not allowed", true
	}
	return "", false
}

// is reports whether an item of Destinations matches the number.
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
