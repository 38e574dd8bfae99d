package decide

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// An account spares the guessers at three of its addresses within a day, and then none.
func TestVouchers(t *testing.T) {
	at := func(n int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", n)) }
	for name, tc := range map[string]struct {
		vouch func(w *Vouchers)
		want  bool
	}{
		"no guesses": {func(*Vouchers) {}, false},
		"one address again and again": {func(w *Vouchers) {
			for n := range 10 {
				w.Vouch(noon.Add(time.Duration(n)*time.Minute), "1001", at(1))
			}
		}, false},
		"three addresses": {func(w *Vouchers) {
			for n := range 3 {
				w.Vouch(noon, "1001", at(n))
			}
		}, false},
		"four addresses": {func(w *Vouchers) {
			for n := range 4 {
				w.Vouch(noon, "1001", at(n))
			}
		}, true},
		"one after another": {func(w *Vouchers) {
			for n := range 100 {
				w.Vouch(noon.Add(time.Duration(n)*time.Second), "1001", at(n))
			}
		}, true},
		"one a day": {func(w *Vouchers) {
			for n := range 10 {
				w.Vouch(noon.Add(time.Duration(n-9)*24*time.Hour), "1001", at(n))
			}
		}, false},
		"another account": {func(w *Vouchers) {
			for n := range 4 {
				w.Vouch(noon, "1002", at(n))
			}
		}, false},
		"a person has dealt with it": {func(w *Vouchers) {
			for n := range 4 {
				w.Vouch(noon, "1001", at(n))
			}
			w.Forget("1001")
		}, false},
		"the next day": {func(w *Vouchers) {
			for n := range 4 {
				w.Vouch(noon.Add(-24*time.Hour), "1001", at(n))
			}
			w.Prune(noon)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var w Vouchers
			tc.vouch(&w)
			if got := w.Spent(noon.Add(2*time.Minute), "1001"); got != tc.want {
				t.Errorf("spent: %t", got)
			}
		})
	}
}
