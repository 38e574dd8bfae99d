package slow

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Guess is what one address failed for one account, as it is kept on disk.
type Guess struct {
	Account     string
	Source      netip.Prefix // an IPv4 /32 or an IPv6 /64
	First, Last time.Time
	Failures    int // 0: it no longer counts
	Proven      int // of them
	Port        uint16
	Transport   event.Transport
	Signal      score.Signal
	Own         bool // a phone of the account with an old password; only Last matters
}

// Changed yields what changed since the last call, at most so many guesses: proven
// ones first, since forged packets can change any number of others.
func (g *Guesses) Changed(most int, yield func(Guess)) {
	left := most
	put := func(x Guess) {
		left--
		yield(x)
	}
	for n, x := range g.removed {
		if left == 0 {
			g.removed = slices.Delete(g.removed, 0, n)
			return
		}
		put(x)
	}
	g.removed = g.removed[:0]
	for of, is := range g.own.index {
		if is.dirty && left > 0 {
			is.dirty = false
			put(Guess{Account: of.account, Source: of.source, First: is.last, Last: is.last, Own: true})
		}
	}
	g.sources.changed(confirmed, confirmed, &left, put)
	g.sources.changed(once, several, &left, put)
}

// changed yields the changed tries of the classes from least to most.
func (g *guessers) changed(least, most class, left *int, put func(Guess)) {
	g.dirty = slices.DeleteFunc(g.dirty, func(i int32) bool {
		x := g.at(i)
		if x.n > 0 && (x.class < least || x.class > most || *left <= 0) {
			return false
		}
		x.dirty = false
		for k := range x.tries[:x.n] {
			if t := &x.tries[k]; t.dirty {
				t.dirty = false
				put(g.targets.guess(x.prefix, t))
			}
		}
		return true
	})
}

func (t *targets) guess(source netip.Prefix, x *try) Guess {
	return Guess{
		Account: t.at(x.target).name, Source: source, First: time.UnixMicro(x.first).UTC(), Last: time.UnixMicro(x.last).UTC(),
		Failures: int(x.failures), Proven: int(x.proven), Port: x.port, Transport: x.transport, Signal: x.signal,
	}
}

// maxRemoved bounds what waits to be kept as removed. Beyond it a restart brings the
// guesses back, which then end with their time.
const maxRemoved = 1 << 12

// remove notes that a guess no longer counts.
func (g *Guesses) remove(account string, source netip.Prefix, gone try) {
	if len(g.removed) < maxRemoved {
		g.removed = append(g.removed, Guess{
			Account: account, Source: source, First: time.UnixMicro(gone.first).UTC(), Last: time.UnixMicro(gone.last).UTC(), Signal: gone.signal,
		})
	}
}

// Restore takes over guesses of a former run, in any order.
func (g *Guesses) Restore(now time.Time, list []Guess) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Guess) int { return a.Last.Compare(b.Last) })
	for _, x := range list {
		if x.Own {
			if now.Sub(x.Last) < ownFor && len(g.own.index) < maxOwnPhones {
				g.own.index[ownPhone{x.Source, x.Account}] = &stale{last: x.Last}
			}
			continue
		}
		if x.Failures == 0 || now.Sub(x.Last) >= g.config.Within || len(x.Account) > maxName {
			continue
		}
		t := g.targets.use([]byte(x.Account))
		if t < 0 {
			continue
		}
		known := try{
			target: t, failures: uint32(x.Failures), proven: uint32(x.Proven),
			first: x.First.UnixMicro(), last: x.Last.UnixMicro(), port: x.Port, transport: x.Transport, signal: x.Signal,
		}
		g.sources.restore(x.Source, &known)
		g.networks.restore(event.NetworkPrefix(x.Source.Addr()), &known)
		of := g.targets.at(t)
		of.long.restore(&known)
		of.changes.add(x.Source, known.last)
		if x.Proven > 0 {
			of.provenChanges.add(x.Source, known.last)
		}
	}
}

// Stats counts what is kept and what did not fit.
type Stats struct {
	Sources, Accounts int
	Evicted, Refused  uint64
}

// Stats returns the current counts.
func (g *Guesses) Stats() Stats {
	return Stats{Sources: len(g.sources.index), Accounts: len(g.targets.index), Evicted: g.sources.evicted, Refused: g.targets.refused}
}
