package slow

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// campaign remembers when the last GuessingCampaign was raised, and whether proven
// failures alone did.
type campaign struct {
	raised time.Time
	proven bool
}

// news reports whether an observation begins a campaign, or shows after Within that it
// goes on, or proves it.
func (c *campaign) news(t *targets, config Config, o *score.Observation) (news bool, proof score.Proof) {
	proven := t.guessedProven >= config.SiteAccounts && o.Proof == score.Proven
	if t.guessed < config.SiteAccounts {
		return false, score.Spoofable
	}
	old := c.raised.IsZero() || o.At.Sub(c.raised) >= config.Within
	if !old && (!proven || c.proven) {
		return false, score.Spoofable
	}
	c.raised, c.proven = o.At, proven
	if proven {
		return true, score.Proven
	}
	return true, score.Spoofable
}

// duringCampaign is what SlowGuesser takes during a campaign. An address with a single
// account may still be a phone.
var duringCampaign = counts{accounts: 2, failures: 3}

// during reports whether a campaign is under way, by evidence as good as proof.
func (g *Guesses) during(proof score.Proof) bool {
	if proof == score.Proven {
		return g.targets.guessedProven >= g.config.SiteAccounts
	}
	return g.targets.guessed >= g.config.SiteAccounts
}

// slow reports whether an address is a SlowGuesser. of is the proof of its newest
// failure.
func (g *Guesses) slow(x *guesser, of score.Proof) (proof score.Proof, ok bool) {
	for _, least := range []counts{{accounts: g.config.Accounts}, {lasting: g.config.Failures}} {
		p, enough := enough(x, least, of)
		proof, ok = max(proof, p), ok || enough
	}
	if of == score.Proven && g.during(of) {
		p, enough := enough(x, duringCampaign, of)
		proof, ok = max(proof, p), ok || enough
	}
	if g.during(score.Spoofable) {
		_, enough := enough(x, duringCampaign, score.Spoofable)
		ok = ok || enough
	}
	return proof, ok
}

// maxParticipants bounds the addresses for which the beginning of a campaign raises
// SlowGuesser. The others follow with their next failure.
const maxParticipants = 1024

// participants raises SlowGuesser for every address that took part in a campaign.
func (g *Guesses) participants(o *score.Observation) {
	n := 0
	g.sources.each(func(x *guesser) bool {
		newest := &x.tries[0]
		for k := range x.tries[:x.n] {
			if x.tries[k].last > newest.last {
				newest = &x.tries[k]
			}
		}
		of := score.Spoofable
		if x.class == confirmed {
			of = score.Proven
		}
		proof, ok := g.slow(x, of)
		if !ok {
			return true
		}
		g.derived = append(g.derived, score.Observation{
			At: o.At, Signal: score.SlowGuesser, Source: x.prefix.Addr(), Port: newest.port,
			Transport: newest.transport, Proof: proof, Account: []byte(g.targets.at(newest.target).name),
		})
		n++
		return n < maxParticipants
	})
}
