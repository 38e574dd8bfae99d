package calls

import (
	"path"
	"slices"
	"time"
)

// Rules are the site's, and those of its accounts.
type Rules struct {
	Dialling Dialling
	Hours    Hours
	// Learn is how long after the first start a network or a country that was
	// not seen before says nothing.
	Learn time.Duration
	// Carriers are accounts, or patterns of them, that are no phones: trunks
	// that log in, other PBXs. Nothing is said about their calls. Accounts that
	// need no login are known to be carriers without this.
	Carriers []string
	Limits   Limits  // of accounts in no group
	Groups   []Group // an account named in full goes before one that a pattern matches
}

// Limits are what is still usual for an account. All count only calls that the
// account itself makes and that leave the house. Rate, Concurrent, Gap, Variants
// and Dormant are off when zero.
type Limits struct {
	Rate               int           // calls within a minute: this many are a sign, and each after it
	Concurrent         int           // calls at once that are still usual
	Gap                time.Duration // less between two calls is no person's work
	Variants           int           // ways to dial one number within ProbeWithin: this many are a sign
	OffHours           int           // calls within an hour, outside the hours, that are still usual
	OffHoursConcurrent int           // calls at once, outside the hours, that are still usual
	Dormant            time.Duration // silent for so long, an account is asleep
	Destinations       Destinations
}

// Group has limits of its own.
type Group struct {
	Name     string
	Accounts []string // names, or patterns with * and ?
	Limits   Limits
}

// limits are those of an account.
func (r *Rules) limits(account string) *Limits {
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

func (r *Rules) carrier(account string) bool { return matches(r.Carriers, account) }

func matches(patterns []string, account string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, account)
		return err == nil && ok
	})
}
