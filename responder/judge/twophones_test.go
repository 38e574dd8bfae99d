package judge_test

import (
	"strings"
	"testing"
	"time"
)

// Costly calls from a new place and from the office at once are two people's, if somebody is
// known to have guessed. Packets that anybody can forge do not make a thief of an owner with
// two phones: his costly calls from the new place are ended, and that is all.
func TestTwoPhonesAtOnce(t *testing.T) {
	const hotel, desk = "PJSIP/1002-00000001", "PJSIP/1002-00000002"
	forged := failures("1002", "203.0.113.1", 2) + failures("1002", "203.0.113.2", 2)
	for name, tc := range map[string]struct {
		guesses, first, second, number string
		broken                         bool
	}{
		"forged packets, then the desk":     {forged, newPlace, office, france, false},
		"forged packets, then the hotel":    {forged, office, newPlace, france, false},
		"real guesses, then the desk":       {guessedAt("1002"), newPlace, office, france, true},
		"real guesses, then the hotel":      {guessedAt("1002"), office, newPlace, france, true},
		"forged, and real ones, too few":    {forged + over("TCP", failures("1002", "203.0.113.3", 2)), office, newPlace, france, false},
		"forged, but it calls premium":      {forged, office, newPlace, premium, true},
		"forged, from the hotel for others": {failures("1003", newPlace, 4), office, newPlace, france, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, tc.guesses+success("1002", newPlace))
			s.effects()
			first, second := desk, hotel
			if tc.first == newPlace {
				first, second = hotel, desk
			}
			s.calls(t, noon.Add(time.Minute), tc.first, first, france)
			s.calls(t, noon.Add(2*time.Minute), tc.second, second, tc.number)
			got := s.effects()
			if broken := strings.Contains(s.verdicts(), "break-in 1002"); broken != tc.broken {
				t.Errorf("a break-in: %v: %s", broken, s.verdicts())
			}
			if !strings.Contains(got, "end "+hotel) || !tc.broken && strings.Contains(got, "end "+desk) {
				t.Errorf("%s", got)
			}
		})
	}
}
