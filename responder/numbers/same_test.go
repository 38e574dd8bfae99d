package numbers_test

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

func TestSame(t *testing.T) {
	for name, tc := range map[string]struct {
		country string
		dialled []string // every pair
		same    bool
	}{
		"a satellite and a French number that end alike": {"GB", []string{"00881612345678", "0033612345678"}, false},
		"the same without a country":                     {"", []string{"00881612345678", "0033612345678"}, false},
		"numbers in a row":                               {"GB", []string{"02079460001", "02079460002", "02079460011"}, false},
		"the same subscriber in two towns":               {"GB", []string{"02079460001", "01619460001"}, false},
		"the same in two countries":                      {"GB", []string{"0033142685300", "0034142685300", "0039142685300"}, false},
		"one number with and without the country":        {"GB", []string{"02079460001", "+442079460001", "00442079460001", "442079460001"}, true},
		"war dialling abroad": {"GB", []string{
			"00972592345678", "011972592345678", "900972592345678", "7700972592345678", "9*00972592345678", "000972592345678",
			"9011972592345678", "+972592345678", "972592345678", "+00972592345678", "*6700972592345678",
		}, true},
		"war dialling in America": {"US", []string{
			"011972592345678", "00972592345678", "9011972592345678", "900972592345678", "7700972592345678", "1011972592345678",
		}, true},
		"war dialling to a satellite":    {"GB", []string{"00881612345678", "011881612345678", "900881612345678", "881612345678", "77881612345678"}, true},
		"war dialling without a country": {"", []string{"00972592345678", "011972592345678", "900972592345678", "9011972592345678"}, true},
		"unreadable":                     {"", []string{"2079460001", "02079460001", "902079460001"}, true},
		"unreadable and different":       {"", []string{"2079460001", "02079460002", "1619460001"}, false},
		"short":                          {"", []string{"460001", "9460001"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := numbers.Dialling{Country: tc.country, Internal: 4}
			for i, a := range tc.dialled {
				for _, b := range tc.dialled[i+1:] {
					m, n := d.Read(a), d.Read(b)
					if m.Same(&n) != tc.same || n.Same(&m) != tc.same {
						t.Errorf("%s and %s: %v, want %v\n%+v\n%+v", a, b, !tc.same, tc.same, m, n)
					}
				}
			}
		})
	}
}
