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
	domestic bool      // one of them is domestic, dialled as it should be
	abroad   bool      // one of them is behind an international prefix

	doubtful []Reading // behind an international prefix, of the right length
	vague    []Reading // the same, of a wrong length
	guessed  []Reading // of the right length behind a prefix that this country has not
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
	settled := s.domestic
	for _, o := range d.Outside {
		if rest, ok := strings.CutPrefix(digits, o); ok {
			s.own(rest)
		}
	}
	if !settled {
		s.guess(digits)
	}
	return s.result(digits, sent)
}

// result returns the readings that count: valid numbers, and foreign ones of the right
// length unless an outside line explains them. The others count if there is nothing else,
// the likeliest first.
func (s *search) result(digits string, sent bool) (list []Reading, certain bool) {
	list = s.sure
	if sent || !s.domestic {
		list = append(list, s.doubtful...)
	}
	if s.couldBeLocal(digits) {
		s.guessed = nil
	}
	for _, others := range [][]Reading{s.guessed, s.vague, s.overdialled(digits), s.local} {
		if len(list) == 0 {
			list = others
		}
	}
	return list, len(s.sure) > 0
}

// own reads digits as they are dialled in the site's country.
func (s *search) own(digits string) {
	for _, prefix := range s.ownPrefixes(digits) {
		r, how := s.worldwide(digits[prefix:])
		r.Digits = digits
		switch {
		case how == valid, how > unknown && r.nowhere():
			s.sure, s.abroad = append(s.sure, r), true
		case how == possible:
			s.doubtful = append(s.doubtful, r)
		case how == known:
			s.vague = append(s.vague, r)
		}
	}
	s.atHome(digits)
}

// nowhere says whether a number costs, but belongs to no country. Then that it is no valid
// one means little.
func (r *Reading) nowhere() bool { return r.Country == "001" && r.Type != "" }

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
	list := byCode[s.home.code]
	rest, prefixed := s.home.stripped(digits)
	if prefixed {
		s.domesticNumber(list, digits, rest, true)
	}
	s.domesticNumber(list, digits, digits, !s.home.needsTrunk(digits))
	if number, ok := strings.CutPrefix(digits, s.home.code); ok && len(s.sure) == 0 {
		s.domesticNumber(list, digits, number, true)
		if number, ok = s.home.stripped(number); ok {
			s.domesticNumber(list, digits, number, true)
		}
	}
	if !prefixed {
		rest = digits
	}
	if n := len(s.home.code) + len(rest); n > longest {
		return
	}
	s.local = append(s.local, Reading{Digits: digits, E164: "+" + s.home.code + rest, Country: s.Country})
}

// domesticNumber adds a national number if it is valid. whole is true if it is dialled as
// it should be.
func (s *search) domesticNumber(list []*plan, digits, number string, whole bool) {
	if r, how := s.national(list, number); how == valid {
		r.Digits = digits
		s.sure, s.domestic = append(s.sure, r), s.domestic || whole
	}
}

// couldBeLocal says whether digits may be a number of the site's country that its plan does
// not have yet: then it is no bare number of another one.
func (s *search) couldBeLocal(digits string) bool {
	if s.home == nil {
		return false
	}
	n := int32(len(digits))
	if slices.Contains(s.home.local, n) || n < minBare && slices.Contains(s.home.lengths, n) {
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
	for cut := 1; cut <= 4 && len(rest)-cut >= shortest; cut++ {
		r, how := s.national(byCode[s.home.code], rest[:len(rest)-cut])
		if how == valid && r.Type != "" {
			r.Digits = digits
			return []Reading{r}
		}
	}
	return nil
}
