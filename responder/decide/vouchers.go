package decide

import (
	"net/netip"
	"time"
)

// Vouchers remembers which accounts spared the addresses of guessers, by being in use
// there. Whoever has an account of its own could otherwise sign in from address after
// address and guess from each. The zero value is ready to use.
type Vouchers struct {
	spared map[string]map[netip.Prefix]time.Time // by account and source key
}

const (
	// maxVouched is at how many addresses an account spares guessers within
	// vouchedWithin: an office, a home and a journey have a guest or a phone with an old
	// password each.
	maxVouched    = 3
	vouchedWithin = 24 * time.Hour
	// maxVouchers bounds the accounts.
	maxVouchers = 4096
)

// Vouch records that an account is in use where somebody guesses for certain.
func (w *Vouchers) Vouch(now time.Time, account string, at netip.Prefix) {
	places := w.spared[account]
	if places == nil {
		if len(w.spared) >= maxVouchers {
			return
		}
		if w.spared == nil {
			w.spared = map[string]map[netip.Prefix]time.Time{}
		}
		places = map[netip.Prefix]time.Time{}
		w.spared[account] = places
	}
	if _, known := places[at]; known || len(places) <= maxVouched {
		places[at] = now
		return
	}
	oldest := at
	for other, last := range places {
		if oldest == at || last.Before(places[oldest]) {
			oldest = other
		}
	}
	delete(places, oldest)
	places[at] = now
}

// Spent says whether guesses came from too many addresses of an account for its use of
// one to spare it: it is taken for the guesser's own.
func (w *Vouchers) Spent(now time.Time, account string) bool {
	n := 0
	for _, last := range w.spared[account] {
		if now.Sub(last) < vouchedWithin {
			n++
		}
	}
	return n > maxVouched
}

// Forget forgets an account: a person has dealt with it.
func (w *Vouchers) Forget(account string) { delete(w.spared, account) }

// Prune forgets what no longer counts.
func (w *Vouchers) Prune(now time.Time) { pruneOlder(w.spared, now, vouchedWithin) }
