package numbers

import (
	"slices"
	"strings"
)

// search collects the readings of one spelling.
type search struct {
	*Dialling
	home *plan // nil without a country

	sure     []Reading // valid numbers
	national bool      // one of them is a national number, dialled as it should be
	abroad   bool      // one of them is behind an international prefix
	inward   bool      // that prefix is the site's own, and the number domestic

	short    []Reading // valid national numbers without the national prefix that they need
	doubtful []Reading // behind an international prefix, of the right length
	vague    []Reading // behind such a prefix, of a wrong length
	overlong []Reading // behind such a prefix, valid but for further digits
	guessed  []Reading // behind a prefix of other countries, of the right length
	local    []Reading // of the site's country, but its plan has no such number
}

// readings returns the plausible readings of a spelling: digits, with an optional + in
// front. certain is true if one of them is a valid number.
func (d *Dialling) readings(digits string, sent bool) (list []Reading, certain bool) {
	if strings.HasPrefix(digits, "+0") {
		digits = digits[1:]
	}
	s := search{Dialling: d, home: plans[d.Country]}
	s.own(digits)
	settled := s.national
	if settled {
		s.overlong = nil
	}
	for _, o := range d.Outside {
		if rest, ok := strings.CutPrefix(digits, o); ok {
			s.outside(rest, sent || settled)
		}
	}
	if !settled {
		s.guess(digits, sent)
	}
	return s.result(digits, sent)
}

// outside reads what is behind the site's outside line. Where that is 0, nearly all national
// numbers look foreign, too: 0 0151 23456789 is 00 1 5123456789. So a national number there
// is one, unless the whole is a valid satellite number; what is sent to the trunk is read
// without this.
func (s *search) outside(rest string, both bool) {
	before, national := len(s.sure), s.national
	s.national = false
	s.own(rest)
	if !s.national {
		s.usual(rest)
	}
	if s.national && !both {
		s.sure = slices.Concat(slices.DeleteFunc(s.sure[:before:before], func(r Reading) bool {
			if r.Country != "001" || r.E164 == "" {
				return true
			}
			_, how := s.worldwide(r.E164[1:])
			return how < valid
		}), s.sure[before:])
	}
	s.national = s.national || national
}

// result returns the readings that count: valid numbers, and foreign ones of the right
// length. If a national number is behind an outside line, the whole is no foreign number that
// is not valid. The others count if there is nothing else, the likeliest first.
func (s *search) result(digits string, sent bool) (list []Reading, certain bool) {
	list = s.sure
	if sent || !s.national {
		list = append(append(list, s.short...), s.doubtful...)
	}
	list = append(list, s.overlong...)
	if s.couldBeLocal(digits) {
		s.guessed = nil
	}
	for _, others := range [][]Reading{s.guessed, s.vague, s.overdialled(digits), s.local} {
		if len(list) == 0 {
			list = others
		}
	}
	return list, len(s.sure) > 0 || len(s.short) > 0
}

// own reads digits as they are dialled in the site's country.
func (s *search) own(digits string) {
	for _, prefix := range s.ownPrefixes(digits) {
		r, how := s.worldwide(digits[prefix:])
		if without, ok := withoutTrunk(digits[prefix:]); ok && how < valid {
			if r2, how2 := s.worldwide(without); how2 == valid {
				r, how = r2, how2
			}
		}
		r.Digits = digits
		switch {
		case how == valid, how > unknown && r.nowhere(digits[prefix:]):
			s.prefixed(r)
			s.inward = s.inward || !r.Foreign
		case how == possible:
			s.doubtful = append(s.doubtful, r)
		default:
			if over, ok := s.overdialledAbroad(digits[prefix:]); ok {
				over.Digits = digits
				s.overlong = append(s.overlong, over)
			}
			if how == known {
				s.vague = append(s.vague, r)
			}
		}
	}
	s.atHome(digits)
}

// prefixed adds a valid number behind an international prefix.
func (s *search) prefixed(r Reading) {
	s.sure, s.abroad = append(s.sure, r), true
}

// nowhere says whether a number costs, but belongs to no country. Then that it is no valid
// one means little, if it is long enough.
func (r *Reading) nowhere(number string) bool {
	return r.Country == "001" && r.Type != "" && len(number) >= minNowhere
}

// withoutTrunk removes the 0 that people write behind a country code, as in +44 (0)20.
func withoutTrunk(number string) (rest string, ok bool) {
	for n := 1; n <= 3 && n < len(number); n++ {
		if byCode[number[:n]] != nil {
			return number[:n] + number[n+1:], number[n] == '0'
		}
	}
	return "", false
}

// ownPrefixes returns the lengths of all international prefixes that digits may begin with.
// A regular expression of the plan has several if it covers carrier codes.
func (s *search) ownPrefixes(digits string) (lengths []int) {
	if strings.HasPrefix(digits, "+") {
		return []int{1}
	}
	if s.home == nil && strings.HasPrefix(digits, "00") {
		lengths = append(lengths, 2)
	}
	for n := 2; s.home != nil && n <= maxPrefix && n < len(digits); n++ {
		if digits[n] != '0' && s.home.idd.match(digits[:n]) {
			lengths = append(lengths, n)
		}
	}
	for _, p := range s.International {
		if strings.HasPrefix(digits, p) && !slices.Contains(lengths, len(p)) {
			lengths = append(lengths, len(p))
		}
	}
	return lengths
}

// maxPrefix is the longest international prefix with a carrier code (Australia's 14…0011).
const maxPrefix = 8

// atHome reads digits as a number of the site's country.
func (s *search) atHome(digits string) {
	if s.home == nil || strings.HasPrefix(digits, "+") || len(digits) == 0 {
		return
	}
	rest, prefixed := s.home.stripped(digits)
	if prefixed {
		s.homeNumber(digits, rest, true)
	}
	s.homeNumber(digits, digits, !s.home.needsTrunk(digits))
	if number, ok := strings.CutPrefix(digits, s.home.code); ok && len(s.sure) == 0 {
		s.homeNumber(digits, number, true)
		if number, ok = s.home.stripped(number); ok {
			s.homeNumber(digits, number, false)
		}
	}
	if !prefixed {
		rest = digits
	}
	if len(s.home.code)+len(rest) > longest || len(s.ownPrefixes(digits)) > 0 {
		return
	}
	s.local = append(s.local, Reading{Digits: digits, E164: "+" + s.home.code + rest, Country: s.Country})
}

// homeNumber adds a national number if it is valid. whole is true if it is dialled as it
// should be.
func (s *search) homeNumber(digits, number string, whole bool) {
	r, how := s.Dialling.national(byCode[s.home.code], number)
	r.Digits = digits
	switch {
	case how < valid:
	case whole:
		s.sure, s.national = append(s.sure, r), true
	case len(number) >= minBare: // else a number without its area code
		s.short = append(s.short, r)
	}
}

// couldBeLocal says whether digits may be a number of the site's country that its plan does
// not have yet: then it is no bare number of another one.
func (s *search) couldBeLocal(digits string) bool {
	if s.home == nil {
		return false
	}
	n := int32(len(digits))
	if n < minArea || slices.Contains(s.home.local, n) || n < minBare && slices.Contains(s.home.lengths, n) {
		return true
	}
	if s.home.code == "1" {
		return northAmerican.match(digits)
	}
	if s.home.trunk == "" {
		return s.home.possible(digits) && s.home.general.match(digits)
	}
	rest, ok := s.home.stripped(digits)
	return ok && s.home.possible(rest)
}

// northAmerican is the form of numbers of country code 1 (NANPA): neither an area code nor
// an exchange begins with 0 or 1.
var northAmerican = whole(`1?[2-9]\d\d[2-9]\d{6}`)

// maxExtra is how many digits behind a number are looked for: networks ignore them.
const maxExtra = 20

// overdialledAbroad reads a number with a country code that is a valid one but for further
// digits behind it.
func (s *search) overdialledAbroad(number string) (r Reading, ok bool) {
	for cut := 1; cut <= maxExtra && len(number)-cut >= shortest; cut++ {
		if r, how := s.worldwide(number[:len(number)-cut]); how == valid {
			return r, true
		}
	}
	return Reading{}, false
}

// overdialled reads a domestic number that costs, with further digits behind it, which
// networks ignore.
func (s *search) overdialled(digits string) []Reading {
	if s.home == nil {
		return nil
	}
	rest, ok := s.home.stripped(digits)
	if !ok {
		rest = digits
	}
	for cut := 1; cut <= maxExtra && len(rest)-cut >= shortest; cut++ {
		r, how := s.Dialling.national(byCode[s.home.code], rest[:len(rest)-cut])
		if how == valid && r.Type != "" {
			r.Digits = digits
			return []Reading{r}
		}
	}
	return nil
}
