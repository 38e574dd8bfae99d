package score

import (
	"cmp"
	"container/list"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// BreakInConfig defines what counts as a break-in. Zero values mean the defaults.
type BreakInConfig struct {
	Failures int           // failures that make a success from an unknown address suspicious; default 4
	Within   time.Duration // how long a failure counts; default 24 hours
	Accounts int           // most accounts whose failures are kept; default 65,536
}

func (c BreakInConfig) withDefaults() BreakInConfig {
	c.Failures = cmp.Or(max(c.Failures, 0), 4)
	c.Within = cmp.Or(max(c.Within, 0), 24*time.Hour)
	c.Accounts = cmp.Or(max(c.Accounts, 0), 1<<16)
	return c
}

// Places records the known addresses of accounts. Its methods must not keep name.
type Places interface {
	// KnownSource reports whether an address is known for an account. Lives reports
	// whether it is, or lies in a network where the account is at home.
	KnownSource(name []byte, source netip.Prefix, now time.Time) bool
	Lives(name []byte, source netip.Prefix, now time.Time) bool
	// Outdated reports whether the phone of other has an old password, and moves along
	// with the account beside.
	Outdated(other, beside []byte, now time.Time) bool
	// Occupied reports whether an address is known for any account.
	Occupied(source netip.Prefix, now time.Time) bool
	// Trusted reports whether an account may turn up at an address however often
	// others failed: it is at home in the network, or a person allowed the address.
	Trusted(name []byte, source netip.Prefix, now time.Time) bool
	// NearHome reports whether an address lies in the neighbourhood of a network where an
	// account is at home, as one that its provider gives it next does.
	NearHome(name []byte, source netip.Prefix, now time.Time) bool
	// Succeed records a success that was neither a break-in nor suspicious. Its
	// address becomes known.
	Succeed(name []byte, source netip.Prefix, at time.Time)
	// MarkThief records that a success was a break-in. stolen says that it cannot have
	// been the account's owner. Thief reports whether the last success was a break-in,
	// and when it was reported.
	MarkThief(name []byte, source netip.Prefix, at time.Time, stolen bool)
	Thief(name []byte, source netip.Prefix) (reported time.Time, thief bool)
	// Stolen reports whether somebody other than its owner had the account's password
	// lately.
	Stolen(name []byte, now time.Time) bool
	// PutOnProbation records a success at an address that may be the owner's or a
	// thief's. OnProbation reports whether the address is on probation still, and
	// Undecided whether any of the account's addresses is, and since when.
	PutOnProbation(name []byte, source netip.Prefix, since, at time.Time, proof Proof)
	OnProbation(name []byte, source netip.Prefix, now time.Time) bool
	Undecided(name []byte, now time.Time) (since time.Time, ok bool)
}

// BreakIn detects break-ins: unknown addresses fail to log in to an account, then one
// succeeds. A known address never causes a break-in: neither its failures nor its
// successes count. A success that is not suspicious makes its address known and
// clears the failures from that address.
//
// It tells two strengths of evidence apart, because failures of others say nothing
// about who succeeds: they also guess at the account of an owner whose address
// changes.
//
//   - SuccessAfterFailures, a break-in, takes failures of the succeeding address
//     itself: enough confirmed ones for this account, or for several accounts,
//     where no account is used. The failures of its network count, too, except those
//     from addresses where accounts are used. While the password is known to be
//     stolen, the success of another unknown address needs no failure.
//   - NewPlaceAfterFailures puts the address on probation: enough others failed, or
//     the address itself, but packets may be spoofed, or another of the account's
//     addresses is on probation. Packets that are forged never do more than that.
//
// A success of the account's own phone (Observation.Own) is neither, whatever was guessed
// where it is now.
//
// After a break-in, the address does not become known until the password is changed.
// The break-in is reported once, and again only if the report is older than Within
// and there are still enough failures. An address is reported once for a probation.
//
// BreakIn has no lock: its owner calls it from one goroutine at a time.
type BreakIn struct {
	config   BreakInConfig
	places   Places
	accounts map[string]*list.Element // of *accountFailures
	order    list.List                // by last failure, the newest at the back
	buf      accountBuffer
}

// NewBreakIn returns a BreakIn without failures.
func NewBreakIn(c BreakInConfig, places Places) *BreakIn {
	return &BreakIn{config: c.withDefaults(), places: places, accounts: make(map[string]*list.Element)}
}

// Observe records failures and successes and ignores other signals. If o is a success
// that is a break-in or puts its address on probation, Observe returns the signal to
// score, with the source, account and session of o. A break-in is Proven if o is, and
// if its failures are. The accounts of Asterisk's manager interface are separate
// (ManagerAccounts). A SuccessfulAuth must contain the account name, which chan_sip's
// for an INVITE does not: see Challenges.
func (b *BreakIn) Observe(o *Observation) (derived Observation, ok bool) {
	success := o.Signal == SuccessfulAuth
	if !success && !o.Signal.Failure() {
		return Observation{}, false
	}
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() {
		return Observation{}, false
	}
	known := b.places.KnownSource(name, source, o.At)
	switch {
	case !success && !known:
		b.failed(name, source, o)
	case success && known:
		b.places.Succeed(name, source, o.At)
	case success:
		return b.succeeded(name, source, o)
	}
	return Observation{}, false
}

// succeeded judges a success at an unknown address.
func (b *BreakIn) succeeded(name []byte, source netip.Prefix, o *Observation) (derived Observation, ok bool) {
	reported, thief := b.places.Thief(name, source)
	if thief && o.At.Sub(reported) < b.config.Within {
		return Observation{}, false // reported already
	}
	own := !o.Own && b.guessed(name, source, o.At)
	switch {
	case o.Own && !thief: // another address of the account's own phone
	case own || !thief && b.places.Stolen(name, o.At):
		b.places.MarkThief(name, source, o.At, own)
		return brokenIn(o, own), true
	case thief:
		return Observation{}, false // but the address stays unknown
	case b.places.Trusted(name, source, o.At):
	case b.places.OnProbation(name, source, o.At):
		return Observation{}, false
	default:
		if since, suspicious := b.suspicious(name, source, o.At); suspicious {
			return b.putOnProbation(name, source, since, o), true
		}
	}
	b.forgive(name, source)
	b.places.Succeed(name, source, o.At)
	return Observation{}, false
}

// Revealed takes that an address knows the password of an account, though it has
// not signed in: o names both. stolen says that this cannot be the account's own
// phone; otherwise it takes failures, as in Observe. Revealed makes nothing known. It
// returns the signal to be scored, as Observe does.
func (b *BreakIn) Revealed(o *Observation, stolen bool) (derived Observation, ok bool) {
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() || b.places.KnownSource(name, source, o.At) {
		return Observation{}, false
	}
	if reported, thief := b.places.Thief(name, source); thief && o.At.Sub(reported) < b.config.Within {
		return Observation{}, false
	}
	if own := b.guessed(name, source, o.At); own || stolen {
		b.places.MarkThief(name, source, o.At, true)
		return brokenIn(o, own), true
	}
	if b.places.OnProbation(name, source, o.At) || b.places.Trusted(name, source, o.At) || b.places.NearHome(name, source, o.At) || b.recent(name, o.At) < b.config.Failures {
		return Observation{}, false
	}
	return b.putOnProbation(name, source, o.At, o), true
}

// Doubtful takes a success at an address that itself failed before, when the failures are
// more likely those of the owner's phones: it puts the address on probation, unless it is
// known or trusted. o names both. It returns the NewPlaceAfterFailures to be scored.
func (b *BreakIn) Doubtful(o *Observation) (derived Observation, ok bool) {
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() || b.places.KnownSource(name, source, o.At) || b.places.OnProbation(name, source, o.At) || b.places.Trusted(name, source, o.At) {
		return Observation{}, false
	}
	if _, thief := b.places.Thief(name, source); thief {
		return Observation{}, false
	}
	b.forgive(name, source) // or the next success would make them a break-in
	return b.putOnProbation(name, source, o.At, o), true
}

// Threshold is how many failures make a success from an unknown address suspicious.
func (b *BreakIn) Threshold() int { return b.config.Failures }

// SecondSign takes that an address on probation did something that shows it to be a
// thief's; o names both. It returns the SuccessAfterFailures to be scored.
func (b *BreakIn) SecondSign(o *Observation) (derived Observation, ok bool) {
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() {
		return Observation{}, false
	}
	if reported, thief := b.places.Thief(name, source); thief && o.At.Sub(reported) < b.config.Within {
		return Observation{}, false
	}
	b.places.MarkThief(name, source, o.At, true)
	return brokenIn(o, true), true
}

// brokenIn makes the SuccessAfterFailures of a success. Without failures that are
// proven, spoofed packets may have brought it about.
func brokenIn(o *Observation, proven bool) Observation {
	derived := *o
	derived.Signal = SuccessAfterFailures
	if !proven {
		derived.Proof = Spoofable
	}
	return derived
}

func (b *BreakIn) putOnProbation(name []byte, source netip.Prefix, since time.Time, o *Observation) Observation {
	b.places.PutOnProbation(name, source, since, o.At, o.Proof)
	derived := *o
	derived.Signal, derived.Proof = NewPlaceAfterFailures, Spoofable
	return derived
}

// guessed reports whether an address has itself failed so often that its success is
// that of a guesser: for this account, together with the rest of its network, or for
// several accounts. Spoofed failures do not count.
func (b *BreakIn) guessed(name []byte, source netip.Prefix, at time.Time) bool {
	return b.guessedNear(name, source, at) >= b.config.Failures || b.sprays(name, source, at) && !b.places.Occupied(source, at)
}

// guessedNear counts the proven failures of an address for an account, and those of
// its network, but not those from other addresses where accounts are used. Where the
// account is at home, its neighbours' failures say nothing.
func (b *BreakIn) guessedNear(name []byte, source netip.Prefix, at time.Time) (n int) {
	network := event.NetworkPrefix(source.Addr())
	home := b.places.Trusted(name, source, at)
	for _, g := range b.guessersOf(name) {
		if !network.Contains(g.source.Addr()) {
			continue
		}
		if failed := g.recent(Proven, at, b.config.Within); failed > 0 && (g.source == source || !home && !b.places.Occupied(g.source, at)) {
			n += failed
		}
	}
	return n
}

// spraysFor is how many other accounts an address must have failed for to be a guesser's:
// a colleague who mistypes, and one whose phone has an old password, fail for their own.
const spraysFor = 2

// sprays reports whether an address guesses at several other accounts, which are not used
// there, for certain: with its failures for this one they are as many as a guesser's.
func (b *BreakIn) sprays(name []byte, source netip.Prefix, at time.Time) bool {
	others := b.elsewhere(name, source, at)
	return others.accounts >= spraysFor && others.proven+b.ownFailures(name, source, at) >= b.config.Failures
}

// ownFailures counts the proven failures of an address itself for an account.
func (b *BreakIn) ownFailures(name []byte, source netip.Prefix, at time.Time) (n int) {
	for _, g := range b.guessersOf(name) {
		if g.source == source {
			n += g.recent(Proven, at, b.config.Within)
		}
	}
	return n
}

// failuresElsewhere are the failures of an address for other accounts.
type failuresElsewhere struct {
	all, proven int
	accounts    int // those with proven failures
}

// elsewhere counts the failures of an address for other accounts that are not used
// there: a colleague's phone with an old password is no guesser, nor is one whose address
// changes together with this account's. It looks at every account with failures, which is
// rare enough: it takes a right password from an unknown address.
func (b *BreakIn) elsewhere(name []byte, source netip.Prefix, at time.Time) (f failuresElsewhere) {
	manager := strings.HasPrefix(string(name), ManagerAccounts)
	for other, e := range b.accounts {
		if other == string(name) || strings.HasPrefix(other, ManagerAccounts) != manager {
			continue
		}
		g := e.Value.(*accountFailures).guesser(source)
		if g == nil || b.places.Lives([]byte(other), source, at) || b.places.Outdated([]byte(other), name, at) {
			continue
		}
		f.all += g.recent(Spoofable, at, b.config.Within)
		if proven := g.recent(Proven, at, b.config.Within); proven > 0 {
			f.proven += proven
			f.accounts++
		}
	}
	return f
}

// suspicious reports whether a success at an unknown address may be a thief's, and
// since when the account is under suspicion. Near its home, what others did says nothing:
// a dynamic address changes all the time.
func (b *BreakIn) suspicious(name []byte, source netip.Prefix, at time.Time) (since time.Time, ok bool) {
	if f := b.elsewhere(name, source, at); f.proven > 0 || f.all >= b.config.Failures {
		return at, true
	}
	if b.places.NearHome(name, source, at) {
		return time.Time{}, false
	}
	if b.recent(name, at) >= b.config.Failures {
		return at, true
	}
	return b.places.Undecided(name, at)
}

// Within is how long a failure counts.
func (b *BreakIn) Within() time.Duration { return b.config.Within }

// Enough is how many failures make a success suspicious.
func (b *BreakIn) Enough() int { return b.config.Failures }

// Configure changes what counts as a break-in and keeps all failures. It does not
// change the capacity.
func (b *BreakIn) Configure(c BreakInConfig) {
	c.Accounts = b.config.Accounts
	b.config = c.withDefaults()
}
