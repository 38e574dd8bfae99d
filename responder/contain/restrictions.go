package contain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An account is guessed at from everywhere: bans cannot stop that, but the
// account's own users are in few places. While the attack lasts it can be used
// from there alone, and the right password is useless elsewhere.

// RestrictRule says when an account is restricted to its known networks, and for
// how long.
type RestrictRule struct {
	// Networks is how many networks (/24, /48) where the account is not at home
	// must be proven to guess at it. Spoofed packets restrict no account.
	Networks int
	// Spoofable says that they need not be proven.
	Spoofable bool
	// Quiet is how long fewer networks have to have tried for the attack to be
	// over.
	Quiet time.Duration
	// Lived is how long an account must have been used in one network alone. Of the
	// others, whose phones may travel, only costly calls from elsewhere are ended. 0:
	// it does not matter.
	Lived time.Duration
}

const (
	// longestAttack bounds a restriction. It cannot be proven any more that the
	// attack goes on, since whoever is refused for its address is sent no
	// challenge.
	longestAttack = 24 * time.Hour
	// maxRestricted bounds the accounts restricted at once: each costs two
	// reloads of Asterisk's configuration. Few of them at a time, so that workers
	// are left for a break-in.
	maxRestricted, maxRestricting = 16, 3
	// maxNetworks bounds the networks of one account.
	maxNetworks = 64
	// retryUnrestrict is how long after a restriction could not be taken away it
	// is tried again.
	retryUnrestrict = time.Minute
	// cooldown is how long an account is left alone after a person ended its
	// restriction, or after Asterisk refused it.
	cooldown = 24 * time.Hour
	// maxRefusals bounds the refused requests whose answer is waited for.
	maxRefusals = 1024
)

// Restrictions are the accounts that can be used from their known networks
// alone.
type Restrictions struct {
	rule     RestrictRule
	by       map[string]*restriction
	cooling  map[string]cooling // accounts that are not restricted now
	refusals map[refusal]struct{}
}

// restriction is one restricted account.
type restriction struct {
	to    []netip.Prefix
	since time.Time // of the attack
	from  time.Time // when this process began to watch it
	tried tries     // the newest foreign networks, as many as make an attack
	end   time.Time // set: due to end from then on, whatever comes
	up    bool      // Asterisk has taken it
}

// cooling is an account that is not restricted for a while, and why.
type cooling struct {
	until time.Time
	why   string
}

// refusal is a request that a restriction refused. PJSIP gives nothing away and
// challenges its sender as an unknown one; the answer to that fails
// with no account, in the same session.
type refusal struct {
	source  netip.Addr
	session string
}

// NewRestrictions makes an empty set of restrictions.
func NewRestrictions(rule RestrictRule) *Restrictions {
	return &Restrictions{rule: rule, by: map[string]*restriction{}, cooling: map[string]cooling{}, refusals: map[refusal]struct{}{}}
}

// Configure changes the rule.
func (r *Restrictions) Configure(rule RestrictRule) { r.rule = rule }

// Restore takes over a restriction of a former run.
func (r *Restrictions) Restore(now time.Time, account string, to []netip.Prefix, since time.Time) {
	r.by[account] = &restriction{to: to, up: true, since: since, from: now, tried: tries{}}
}

// Networks are those that a restricted account can be used from; ok is false
// when it is not restricted.
func (r *Restrictions) Networks(account string) (to []netip.Prefix, ok bool) {
	x := r.by[account]
	if x == nil {
		return nil, false
	}
	return x.to, true
}

// Refused says whether an attempt was refused by a restriction, which is scored
// against no address: it may be the owner on the road.
func (r *Restrictions) Refused(o *score.Observation) bool {
	if len(r.by) == 0 || o.Signal != score.FailedACL && !o.Signal.Failure() {
		return false
	}
	of := refusal{o.Source, string(o.Session)}
	if len(o.Account) == 0 {
		_, ours := r.refusals[of]
		delete(r.refusals, of)
		return ours
	}
	x := r.by[string(o.Account)]
	if x == nil || !x.up || contains(x.to, o.Source) {
		return false
	}
	x.tried.add(o.At, o.Source, r.rule.Networks)
	if len(r.refusals) >= maxRefusals {
		clear(r.refusals)
	}
	r.refusals[of] = struct{}{}
	return true
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// Objection is why the account of a verdict is not restricted to the networks it
// is known in, longKnown among them; "" when it can be.
func (r *Restrictions) Objection(v *score.Verdict, account string, longKnown, known []netip.Prefix) string {
	if why := r.busy(account); why != "" {
		return why
	}
	if c, ok := r.cooling[account]; ok && v.At.Before(c.until) {
		return c.why
	}
	switch {
	case len(longKnown) == 0:
		return "no network has been known for it long enough"
	case len(known) > maxNetworks:
		return fmt.Sprintf("it is used from %d networks", len(known))
	}
	foreign := map[netip.Prefix]bool{}
	for _, e := range v.Evidence {
		if e.Signal.Failure() && (e.Proof == score.Proven || r.rule.Spoofable) && !contains(known, e.Source) {
			foreign[event.NetworkPrefix(e.Source)] = true
		}
	}
	switch n := len(foreign); {
	case n >= r.rule.Networks:
		return ""
	case r.rule.Spoofable:
		return fmt.Sprintf("only %s guessed; %d are needed", incident.Count(n, "unknown network"), r.rule.Networks)
	default:
		return fmt.Sprintf("only %s guessed from confirmed addresses; %d are needed, and the rest may be spoofed", incident.Count(n, "unknown network"), r.rule.Networks)
	}
}

// busy is why an account cannot be restricted at this moment; "" when it can be.
func (r *Restrictions) busy(account string) string {
	under := 0
	for _, x := range r.by {
		if !x.up && x.end.IsZero() {
			under++
		}
	}
	switch {
	case r.by[account] != nil:
		return "limited to its known networks already"
	case len(r.by) >= maxRestricted:
		return fmt.Sprintf("%d extensions are limited already", maxRestricted)
	case under >= maxRestricting:
		return fmt.Sprintf("%d extensions are being limited now", under)
	}
	return ""
}

// Begin notes that an account is about to be restricted; why is "" unless that
// is not possible now.
func (r *Restrictions) Begin(now time.Time, account string, to []netip.Prefix) (why string) {
	if why := r.busy(account); why != "" {
		return why
	}
	r.by[account] = &restriction{to: to, since: now, from: now, tried: tries{}}
	return ""
}

// Began records whether Asterisk accepted a restriction. One that it refused is
// ended soon, because parts of it may be in force anyway.
func (r *Restrictions) Began(now time.Time, account string, err error) {
	x := r.by[account]
	if x == nil {
		return
	}
	if x.up = err == nil; !x.up {
		x.end = now
		r.cooling[account] = cooling{now.Add(cooldown), "an earlier attempt failed: " + err.Error()}
	}
}

// Ended records whether Asterisk removed a restriction. gone is false if the
// removal will be retried.
func (r *Restrictions) Ended(now time.Time, account string, err error) (gone bool) {
	x := r.by[account]
	if x == nil {
		return true
	}
	if err != nil && (x.up || now.Sub(x.since) < longestAttack) {
		x.end = now.Add(retryUnrestrict)
		return false
	}
	delete(r.by, account)
	return true
}

// LeaveAlone has an account not restricted for a while, since a person ended its
// restriction.
func (r *Restrictions) LeaveAlone(now time.Time, account string) {
	r.cooling[account] = cooling{now.Add(cooldown), "a person ended its restriction"}
}

// Due are the accounts whose restriction is to end.
func (r *Restrictions) Due(now time.Time) (list []string) {
	for account, x := range r.by {
		if x.over(now, r.rule) {
			list = append(list, account)
		}
	}
	return list
}

func (x *restriction) over(now time.Time, rule RestrictRule) bool {
	if !x.end.IsZero() {
		return !now.Before(x.end)
	}
	if now.Sub(x.since) >= longestAttack {
		return true
	}
	return x.tried.since(now, rule.Quiet) < rule.Networks && now.Sub(x.from) >= rule.Quiet
}

// Prune forgets the accounts that may be restricted again.
func (r *Restrictions) Prune(now time.Time) {
	for account, c := range r.cooling {
		if !now.Before(c.until) {
			delete(r.cooling, account)
		}
	}
}

// ParseNetworks reads what incident.PrefixesText wrote; what is no prefix is left
// out.
func ParseNetworks(s string) (list []netip.Prefix) {
	for word := range strings.FieldsSeq(s) {
		if p, err := netip.ParsePrefix(word); err == nil {
			list = append(list, p)
		}
	}
	return list
}
