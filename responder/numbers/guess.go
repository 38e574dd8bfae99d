package numbers

import "strings"

const (
	// maxBefore is how many digits may come before a number that hides behind them.
	maxBefore = 8
	// minHidden is how many digits such a number has at least: shorter ones turn up by
	// chance.
	minHidden = 9
	// A number of fewer digits than minArea may always be one without its area code, and one
	// of fewer than minBare if the country has numbers of that length.
	minArea = 9
	minBare = 10
	// maxBeforeBare is how many digits may come before one without an international prefix.
	maxBeforeBare = 5
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
func (s *search) guess(digits string, sent bool) {
	if !s.abroad {
		for _, line := range commonLines {
			if rest, ok := strings.CutPrefix(digits, line); ok {
				s.behind(rest)
			}
		}
	}
	if sent || !s.national {
		s.usual(digits)
	}
	if s.national || s.abroad {
		return
	}
	s.bare(digits, digits)
	if len(s.sure) > 0 || len(s.short) > 0 {
		return
	}
	for n := 1; n <= maxBefore && len(digits)-n >= minHidden; n++ {
		s.behind(digits[n:])
		if n <= maxBeforeBare && !s.national {
			s.bare(digits[n:], digits)
		}
	}
}

// behind reads what follows an outside line or other digits.
func (s *search) behind(rest string) {
	t := search{Dialling: s.Dialling, home: s.home}
	t.own(rest)
	if !t.national {
		t.usual(rest)
	}
	if len(s.short) > 0 && !t.national {
		return // as likely the national number without its prefix
	}
	s.sure = append(s.sure, t.sure...)
	s.national, s.abroad = s.national || t.national, s.abroad || t.abroad
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
		if s.inward && !r.nowhere(rest) {
			continue
		}
		switch {
		case how == valid, how > unknown && r.nowhere(rest):
			s.prefixed(r)
		case how == possible:
			s.guessed = append(s.guessed, r)
		}
	}
}

// bare reads a foreign number without any prefix, if what was dialled cannot be a number of
// the site's country. A satellite number needs no more than that it is valid and that
// numbers of the country have a national prefix.
func (s *search) bare(number, dialled string) {
	r, how := s.worldwide(number)
	r.Digits, r.Bare = number, true
	switch {
	case how < possible || !r.Foreign:
	case r.nowhere(number):
		if len(s.short) == 0 || how == valid {
			s.sure = append(s.sure, r)
		}
	case how == valid && s.home != nil && len(s.short) == 0 && !s.couldBeLocal(dialled):
		s.sure = append(s.sure, r)
	}
}
