package numbers

import (
	"cmp"
	"slices"
	"strings"
)

// Dialling describes how numbers are dialled at the site.
type Dialling struct {
	// Country is the site's country by its ISO 3166 code ("GB"). Without it, only
	// numbers with an international prefix can be recognised.
	Country string
	// Outside lists the prefixes for an outside line, such as "9". Common ones are
	// tried anyway. These add readings, but for one case: Read takes a national number
	// behind such a line for that alone (see search.outside). ReadSent does not.
	Outside []string
	// International lists prefixes of foreign numbers besides those of Country, + and,
	// where they mean nothing else, 00 and 011.
	International []string
	// Internal is the maximum length of an internal number.
	Internal int
	// EmergencyNumbers lists emergency numbers besides those of Country.
	EmergencyNumbers []string
}

// Number is the meaning of a dialled string: that of its worst reading.
type Number struct {
	Digits   string // as dialled: digits, with an optional + in front
	E164     string // with +; "" if unknown
	Country  string // ISO 3166; "001" for numbers of no country; "" if unknown
	Type     string // premium, shared-cost, satellite, personal or ""
	External bool   // outside the site
	Foreign  bool   // outside the country, and not free to call
	Bare     bool   // Foreign only if the country code needs no prefix

	// Readings are all plausible meanings, the worst first.
	Readings []Reading

	certain bool // the numbering plan of some country has this number
}

// Reading is one meaning of a dialled string.
type Reading struct {
	Digits  string // what is dialled behind the outside line
	E164    string
	Country string
	Type    string
	Foreign bool
	Bare    bool
}

// Read returns the meaning of what a phone dialled. A number of at most Internal digits
// is not External, whatever it could be outside; its Readings are those of a valid number.
func (d *Dialling) Read(dialled string) Number { return d.read(dialled, false) }

// ReadCall is Read, but an emergency number is neither External nor has readings.
func (d *Dialling) ReadCall(dialled string) (n Number, emergency bool) {
	if d.Emergency(dialled) {
		return Number{Digits: dialled}, true
	}
	return d.Read(dialled), false
}

// ReadSent returns the meaning of what was sent to a trunk. No such number is internal,
// and none has an outside line that excuses a doubtful foreign number.
func (d *Dialling) ReadSent(sent string) Number { return d.read(sent, true) }

// shortest is how many digits a number has at least with its country code (Niue).
const shortest = 7

func (d *Dialling) read(dialled string, sent bool) Number {
	spelled := spellings(dialled)
	n := Number{Digits: spelled.main, External: spelled.main != "" && (sent || !d.internal(spelled.main))}
	for _, part := range spelled.parts {
		for _, digits := range part {
			list, certain := d.readings(digits, sent)
			if certain || digits == spelled.main && n.External {
				n.add(digits, list)
				n.External = n.External || sent || !d.internal(digits)
			}
			if certain {
				n.certain = true
				break
			}
		}
	}
	n.worstFirst()
	return n
}

// internal says whether digits are an internal number by their length.
func (d *Dialling) internal(digits string) bool {
	return len(strings.TrimPrefix(digits, "+")) <= d.Internal
}

func (n *Number) add(digits string, list []Reading) {
	if n.Digits == "" {
		n.Digits = digits
	}
	n.Readings = append(n.Readings, list...)
}

// worstFirst sorts the readings and takes over the worst.
func (n *Number) worstFirst() {
	slices.SortStableFunc(n.Readings, func(a, b Reading) int { return cmp.Compare(b.badness(), a.badness()) })
	n.Readings = slices.CompactFunc(n.Readings, func(a, b Reading) bool { return a == b })
	if len(n.Readings) > 0 {
		w := n.Readings[0]
		n.E164, n.Country, n.Type, n.Foreign, n.Bare = w.E164, w.Country, w.Type, w.Foreign, w.Bare
	}
}

// badness orders readings by what they may cost.
func (r *Reading) badness() int {
	switch {
	case r.Type == "premium" || r.Type == "satellite":
		return 4
	case r.Type != "":
		return 3
	case r.Foreign && !r.Bare:
		return 2
	case r.Foreign:
		return 1
	}
	return 0
}
