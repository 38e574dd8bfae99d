package numbers

import "strings"

const (
	// maxBefore is how many digits may come before a number that hides behind them.
	maxBefore = 8
	// minHidden is how many digits such a number has at least: shorter ones turn up by
	// chance.
	minHidden = 9
	// minBare is the same for a number that has no international prefix, and
	// maxBeforeBare what may come before it.
	minBare       = 10
	maxBeforeBare = 4
	// minNowhere is how many digits a satellite number has at least that is not valid.
	minNowhere = 11
)

var (
	// commonLines are digits for an outside line that many sites use.
	commonLines = []string{"9", "0", "8"}
	// commonPrefixes are the international prefixes of most countries and of North America.
	commonPrefixes = []string{"00", "011"}
)

// guess adds valid numbers that a dialplan or a carrier may make of digits which are no
// number of the site's country as they stand.
func (s *search) guess(digits string) {
	s.usual(digits)
	if s.abroad {
		return
	}
	for _, line := range commonLines {
		if rest, ok := strings.CutPrefix(digits, line); ok {
			s.behind(rest)
		}
	}
	s.bare(digits, digits)
	if s.abroad || s.domestic || len(s.doubtful) > 0 {
		return
	}
	for n := 1; n <= maxBefore && len(digits)-n >= minHidden; n++ {
		s.behind(digits[n:])
		if n <= maxBeforeBare && !s.couldBeLocal(digits) {
			s.bare(digits[n:], digits)
		}
	}
}

// usual reads digits behind the prefixes of other countries.
func (s *search) usual(digits string) {
	for _, p := range commonPrefixes {
		rest, ok := strings.CutPrefix(digits, p)
		if !ok {
			continue
		}
		r, how := s.worldwide(rest)
		r.Digits = digits
		switch {
		case how == valid, how > unknown && r.nowhere() && len(rest) >= minNowhere:
			s.sure, s.abroad = append(s.sure, r), true
		case how == possible:
			s.guessed = append(s.guessed, r)
		}
	}
}

// behind reads what follows an outside line or other digits.
func (s *search) behind(rest string) {
	t := search{Dialling: s.Dialling, home: s.home}
	t.own(rest)
	if !t.domestic {
		t.usual(rest)
	}
	s.domestic, s.abroad = s.domestic || t.domestic, s.abroad || t.abroad
	for _, r := range t.sure {
		if t.domestic || r.Foreign || r.Type != "" {
			s.sure = append(s.sure, r)
		}
	}
}

// bare reads a foreign number without any prefix, if it cannot be one of the site's
// country. dialled is the number with what is in front of it.
func (s *search) bare(number, dialled string) {
	r, how := s.worldwide(number)
	if how < possible || !r.Foreign {
		return
	}
	if !r.nowhere() || len(number) < minNowhere {
		if how < valid || s.home == nil || len(number) < minBare && s.couldBeLocal(number) {
			return
		}
	}
	if s.couldBeLocal(dialled) {
		return
	}
	if len(s.sure) > 0 && !(how == valid && r.nowhere()) {
		return // domestic, though without the national prefix
	}
	r.Digits, r.Bare = number, true
	s.sure = append(s.sure, r)
}
