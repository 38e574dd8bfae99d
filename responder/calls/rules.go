package calls

import (
	"path"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// Rules are the rules of the site and of its accounts.
type Rules struct {
	Dialling numbers.Dialling
	Hours    Hours
	// Learn is how long after the first start new networks and countries are no sign.
	Learn time.Duration
	// Carriers lists accounts, or patterns of them, that are not phones: trunks that
	// log in, other PBXs. Their calls are not checked. Accounts that need no login
	// are not checked either.
	Carriers []string
	// Risky reports whether fraud prefers a country (ISO 3166); nil: none is known.
	Risky  func(country string) bool
	Limits Limits  // of accounts without a group
	Groups []Group // an exact name takes precedence over a pattern
}

// Limits describe the normal calls of an account. They apply to outgoing calls that
// the account itself makes. Rate, Concurrent, Gap, Variants and Dormant are off if
// zero.
type Limits struct {
	Rate               int           // calls within a minute from which each call is a sign
	Concurrent         int           // most calls at once
	Gap                time.Duration // shortest time between two calls of a person
	Variants           int           // ways to dial one number within ProbeWithin from which each is a sign
	OffHours           int           // most calls within an hour outside working hours
	OffHoursConcurrent int           // most calls at once outside working hours
	Dormant            time.Duration // time without calls after which a call is a sign
	Destinations       Destinations
}

// Group is a group of accounts with its own limits.
type Group struct {
	Name     string
	Accounts []string // names, or patterns with * and ?
	Limits   Limits
}

// limitsOf returns the limits of an account.
func (r *Rules) limitsOf(account string) *Limits {
	for i := range r.Groups {
		if slices.Contains(r.Groups[i].Accounts, account) {
			return &r.Groups[i].Limits
		}
	}
	for i := range r.Groups {
		if matches(r.Groups[i].Accounts, account) {
			return &r.Groups[i].Limits
		}
	}
	return &r.Limits
}

func (r *Rules) isCarrier(account string) bool { return matches(r.Carriers, account) }

func matches(patterns []string, account string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, account)
		return err == nil && ok
	})
}
