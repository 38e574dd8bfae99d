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
	proven := t.sure >= config.SiteAccounts && o.Proof == score.Proven
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

// Raised tells, after a restart, when the last GuessingCampaign was raised.
func (g *Guesses) Raised(at time.Time, proven bool) {
	if at.After(g.campaign.raised) {
		g.campaign = campaign{at, proven}
	}
}

// What SprayingAddress takes during a campaign. An address with a single account may
// still be a phone.
const (
	campaignAccounts = 2
	campaignFailures = 3
)

// sprays reports whether an address sprays. of is the proof of its newest failure.
func (g *Guesses) sprays(x *guesser, of score.Proof) (proof score.Proof, ok bool) {
	if proof, ok = spraying(x, g.config.Accounts, 0, of); ok && proof == score.Proven {
		return proof, ok
	}
	strict, during := score.Spoofable, false
	switch {
	case of == score.Proven && g.targets.sure >= g.config.SiteAccounts:
		strict, during = spraying(x, campaignAccounts, campaignFailures, of)
	case g.targets.guessed >= g.config.SiteAccounts:
		strict, during = spraying(x, campaignAccounts, campaignFailures, score.Spoofable)
	}
	return max(proof, strict), ok || during
}

// maxSprayers bounds the addresses for which the beginning of a campaign raises
// SprayingAddress. The others follow with their next failure.
const maxSprayers = 1024

// sprayers raises SprayingAddress for every address that took part in a campaign.
func (g *Guesses) sprayers(o *score.Observation) {
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
		proof, ok := g.sprays(x, of)
		if !ok {
			return true
		}
		g.derived = append(g.derived, score.Observation{
			At: o.At, Signal: score.SprayingAddress, Source: x.prefix.Addr(), Port: newest.port,
			Transport: newest.transport, Proof: proof, Account: []byte(g.targets.at(newest.target).name),
		})
		n++
		return n < maxSprayers
	})
}
