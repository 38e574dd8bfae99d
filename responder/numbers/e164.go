package numbers

import "strings"

// strength says how well a reading fits the numbering plan of its country.
type strength uint8

const (
	unknown  strength = iota
	known             // such a country code exists
	possible          // the length is right
	valid             // the plan has such a number
)

// longest is the most digits of a number with its country code (ITU E.164).
const longest = 15

// special maps first digits behind + to number types where libphonenumber differs from
// how calls are billed; the first match counts. Those without a country are from ITU E.164:
// libphonenumber knows some of them only as possible numbers, but calls to invalid ones
// are billed, too. Britain's 084 and 087 cost a few pence (Ofcom's numbering plan).
var special = []struct{ prefix, kind string }{
	{"800", free},        // international freephone
	{"8835100", free},    // iNum
	{"870", "satellite"}, // Inmarsat
	{"878", "personal"},  // universal personal telecommunications
	{"881", "satellite"}, // global mobile satellite systems
	{"882", "satellite"}, // international networks, Thuraya and maritime among them
	{"883", "satellite"}, // international networks
	{"979", "premium"},   // international premium rate
	{"4484", "shared-cost"},
	{"4487", "shared-cost"},
}

// free is the type of numbers abroad that cost nothing. No Reading has it.
const free = "free"

func specialKind(number string) string {
	for i := range special {
		if strings.HasPrefix(number, special[i].prefix) {
			return special[i].kind
		}
	}
	return ""
}

// worldwide reads a number that begins with its country code.
func (d *Dialling) worldwide(number string) (r Reading, s strength) {
	for n := 1; n <= 3 && n < len(number); n++ {
		if list := byCode[number[:n]]; list != nil {
			return d.national(list, number[n:])
		}
	}
	return Reading{}, unknown
}

// national reads a national number of one of the plans of a country code, of which there
// is one at least. It prefers the site's: North America shares the toll-free numbers.
func (d *Dialling) national(list []*plan, number string) (r Reading, s strength) {
	r, s = Reading{Country: list[0].region}, known
	if home := plans[d.Country]; home != nil && home.code == list[0].code {
		if kind, ok := home.has(number); ok {
			r.Country, r.Type, s = home.region, kind, valid
		}
	}
	for _, p := range list {
		if s == valid {
			break
		}
		if !p.possible(number) || p.leading.can() && !p.leading.match(number) {
			continue
		}
		s = possible
		if kind, ok := p.has(number); ok {
			r.Country, r.Type, s = p.region, kind, valid
		}
	}
	number = list[0].code + number
	kind := specialKind(number)
	if len(number) <= longest {
		r.E164 = "+" + number
	} else if kind == "" {
		return Reading{}, unknown
	}
	if kind == free {
		r.Type = ""
		return r, s
	}
	if kind != "" {
		r.Type = kind
	}
	r.Foreign = r.Country != d.Country
	return r, s
}
