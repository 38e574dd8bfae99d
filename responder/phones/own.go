// Package phones knows which phones are an account's own, and which are guessers: by the
// Call-IDs they signed in with, by where they failed before, and by which other accounts are in
// use at their address.
package phones

import (
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Own knows the accounts' own phones. A restart forgets them. It has no lock: its owner
// calls it from one goroutine at a time.
type Own struct {
	places    *places.Places
	table     *score.Table
	breakIn   *score.BreakIn
	rotations *contain.Rotations

	vouchers decide.Vouchers
	outdated decide.Vouchers // where phones with an old password were spared
	stale    stalePhones
	handsets handsets
}

// New returns an Own that knows no phone yet.
func New(p *places.Places, table *score.Table, breakIn *score.BreakIn, rotations *contain.Rotations) *Own {
	return &Own{places: p, table: table, breakIn: breakIn, rotations: rotations, handsets: newHandsets()}
}

// SignedIn records a confirmed success where the account is known. It allocates nothing for a
// phone that is known.
func (p *Own) SignedIn(o *score.Observation) {
	p.handsets.used(o)
	p.stale.succeeded(o)
}

// ForgetVouchers lets an account vouch again for all addresses where it is in use.
func (p *Own) ForgetVouchers(account string) { p.vouchers.Forget(account) }

// ForgetHandsets forgets the phones of an account: a thief's may be among them.
func (p *Own) ForgetHandsets(account string) { p.handsets.forget(account) }

// Prune forgets what no longer counts. It is to be called once a minute.
func (p *Own) Prune(now time.Time) {
	p.vouchers.Prune(now)
	p.stale.prune(now)
	p.handsets.prune(now)
	p.outdated.Prune(now)
}

// Outdated says whether the wrong passwords that a verdict rests on come from one of the
// account's own phones, at an address where no healthy account is known. These are its phones:
//   - the stale phone, where it may have moved
//   - one at an address on probation
//   - at few addresses a day, one whose Call-ID is known, or any after a change of password
//
// only says that just its flow may be cut: whoever goes on through others is no phone.
func (p *Own) Outdated(v *score.Verdict) (ok, only bool) {
	if !decide.OnePhone(v) {
		return false, false
	}
	account, source := []byte(v.Cause.Account), event.SourcePrefix(v.Cause.Source)
	if p.stale.moved(v.At, account, v.Cause.Source) {
		return true, false
	}
	if !p.places.OnProbation(account, source, v.At) {
		if !p.handsets.knows(v.At, account, []byte(v.Cause.Session)) && !p.rotations.InGrace(v.At, account) {
			return false, false
		}
		if p.outdated.Vouch(v.At, v.Cause.Account, source); p.outdated.Spent(v.At, v.Cause.Account) {
			return false, false
		}
	}
	return true, true
}
