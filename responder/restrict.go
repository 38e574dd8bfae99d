package responder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An account guessed at from everywhere: nobody can ban the internet, but the
// account's own people are in few places. While the storm lasts it can be used
// from there alone, and the right password helps nobody elsewhere.

// Restrict says when an account is restricted to its known networks, and for
// how long.
type Restrict struct {
	// Networks is of how many networks (/24, /48) strangers must have proved to
	// be guessing at the account. Forged packets restrict nobody.
	Networks int
	// Claimed says that they need not have proved it.
	Claimed bool
	// Quiet is how long strangers of fewer networks have to have tried for the
	// storm to be over.
	Quiet time.Duration
}

const (
	// longestStorm bounds a restriction. It cannot be proved any more that the
	// storm goes on, since who is refused for his address is sent no challenge.
	longestStorm = 24 * time.Hour
	// maxRestricted bounds the accounts restricted at once: each costs two
	// reloads of Asterisk's configuration. Few of them at a time, so that hands
	// are left for a break-in.
	maxRestricted, maxRestricting = 16, 3
	// restrictedNets bounds the networks of one account.
	restrictedNets = 64
	// retryLift is how long after a restriction could not be taken away it is
	// tried again.
	retryLift = time.Minute
	// easeEvery is how often it is looked whether a storm is over.
	easeEvery = 5 * time.Second
	// spareFor is how long an account is left alone after a person ended its
	// restriction, or after Asterisk did not take it.
	spareFor = 24 * time.Hour
)

// restriction is one restricted account.
type restriction struct {
	to    []netip.Prefix
	since time.Time                  // of the storm
	from  time.Time                  // that this process has been looking on
	tried map[netip.Prefix]time.Time // the newest networks of strangers, as many as make a storm
	lift  time.Time                  // set: due to be lifted from then on, whatever comes
	up    bool                       // Asterisk has taken it
}

// spared is an account that is not restricted for a while, and why.
type spared struct {
	until time.Time
	why   string
}

// tries notes that a stranger tried.
func (x *restriction) tries(now time.Time, source netip.Addr, most int) {
	network := event.NetworkPrefix(source)
	if _, known := x.tried[network]; !known && len(x.tried) >= most {
		oldest := network
		for n, at := range x.tried {
			if oldest == network || at.Before(x.tried[oldest]) {
				oldest = n
			}
		}
		delete(x.tried, oldest)
	}
	x.tried[network] = now
}

// over says whether the restriction is to end.
func (x *restriction) over(now time.Time, rule Restrict) bool {
	if !x.lift.IsZero() {
		return !now.Before(x.lift)
	}
	if now.Sub(x.since) >= longestStorm {
		return true
	}
	recent := 0
	for _, at := range x.tried {
		if now.Sub(at) < rule.Quiet {
			recent++
		}
	}
	return recent < rule.Networks && now.Sub(x.from) >= rule.Quiet
}

// refusal is a request that a restriction refused. PJSIP gives nothing away and
// challenges its sender as somebody it does not know; the answer to that fails
// with no account, in the same session.
type refusal struct {
	source  netip.Addr
	session string
}

// maxRefusals bounds those whose answer is waited for.
const maxRefusals = 1024

// besieged says whether an event is our own restriction at work, which is
// scored against nobody: it may be the owner on his travels. The caller holds
// the lock.
func (r *Responder) besieged(o *score.Observation) bool {
	if len(r.restricted) == 0 || o.Signal != score.FailedACL && !o.Signal.Failure() {
		return false
	}
	of := refusal{o.Source, string(o.Session)}
	if len(o.Account) == 0 {
		_, ours := r.refusals[of]
		delete(r.refusals, of)
		return ours
	}
	x := r.restricted[string(o.Account)]
	if x == nil || !x.up || containsAddr(x.to, o.Source) {
		return false
	}
	x.tries(o.At, o.Source, r.policy.Restrict.Networks)
	if len(r.refusals) >= maxRefusals {
		clear(r.refusals)
	}
	r.refusals[of] = struct{}{}
	return true
}

func containsAddr(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// refuge is where a restricted account can be used, or why it is not
// restricted. The caller holds the lock.
func (r *Responder) refuge(v *score.Verdict) (to []netip.Prefix, why string) {
	account := accountOf(v)
	if why := r.crowded(account); why != "" {
		return nil, why
	}
	if s, ok := r.spared[account]; ok && v.At.Before(s.until) {
		return nil, s.why
	}
	to = r.calls.Homes(v.At, account)
	if len(to) == 0 {
		return nil, "nothing has long been known of where it is used"
	}
	for _, p := range r.breakIn.Homes(account, v.At) {
		to = append(to, event.NetworkPrefix(p.Source.Addr()))
	}
	slices.SortFunc(to, netip.Prefix.Compare)
	to = slices.Compact(to)
	if len(to) > restrictedNets {
		return nil, fmt.Sprintf("it is used from %d networks", len(to))
	}
	strangers := map[netip.Prefix]bool{}
	for _, e := range v.Evidence {
		if e.Signal.Failure() && (e.Proof == score.Proven || r.policy.Restrict.Claimed) && !containsAddr(to, e.Source) {
			strangers[event.NetworkPrefix(e.Source)] = true
		}
	}
	switch n, rule := len(strangers), r.policy.Restrict; {
	case n >= rule.Networks:
		return to, ""
	case rule.Claimed:
		return nil, fmt.Sprintf("strangers of %s were seen, of %d it takes", incident.Count(n, "network"), rule.Networks)
	default:
		return nil, fmt.Sprintf("strangers of %s have proved to be there, of %d it takes: the rest can be forged", incident.Count(n, "network"), rule.Networks)
	}
}

// restrict restricts an account and keeps what lifts it: first of all, so that
// it is lifted whatever becomes of this process.
func (r *Responder) restrict(ctx context.Context, account string, to []netip.Prefix) (detail string, err error) {
	now := time.Now()
	r.mu.Lock()
	if why := r.crowded(account); why != "" {
		r.mu.Unlock()
		return "", errors.New(why)
	}
	x := &restriction{to: to, since: now, from: now, tried: map[netip.Prefix]time.Time{}}
	r.restricted[account] = x
	r.parts.Ledger.PutHold(incident.Hold{Account: account, Kind: incident.HoldRestriction, Value: prefixWords(to), Since: now})
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	detail, err = r.parts.PBX.Restrict(ctx, account, to)
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.up = err == nil; !x.up {
		x.lift = now // what may stand there all the same
		r.spared[account] = spared{now.Add(spareFor), "it could not be done before: " + err.Error()}
	}
	return detail, err
}

// crowded is why an account cannot be restricted at this moment; "" when it can
// be. The caller holds the lock.
func (r *Responder) crowded(account string) string {
	under := 0
	for _, x := range r.restricted {
		if !x.up && x.lift.IsZero() {
			under++
		}
	}
	switch {
	case r.restricted[account] != nil:
		return "restricted already"
	case len(r.restricted) >= maxRestricted:
		return fmt.Sprintf("%d accounts are restricted already", maxRestricted)
	case under >= maxRestricting:
		return fmt.Sprintf("%d accounts are just being restricted", under)
	}
	return ""
}

// lift takes a restriction away.
func (r *Responder) lift(ctx context.Context, account string) (detail string, err error) {
	r.mu.Lock()
	x := r.restricted[account]
	r.mu.Unlock()
	if x == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	detail, err = r.parts.PBX.Lift(ctx, account, x.to)
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); err != nil && (x.up || now.Sub(x.since) < longestStorm) {
		x.lift = now.Add(retryLift)
		return detail, fmt.Errorf("tried again every minute: %w", err)
	}
	delete(r.restricted, account)
	r.parts.Ledger.DropHold(account, incident.HoldRestriction)
	if err != nil {
		err = fmt.Errorf("given up, since Asterisk has never confirmed the restriction: %w", err)
	}
	return detail, err
}

// ease lifts restrictions whose storm is over until ctx ends.
func (r *Responder) ease(ctx context.Context) {
	tick := time.NewTicker(easeEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, account := range r.eased(now) {
				detail, err := r.lift(ctx, account)
				if err != nil {
					r.log.Error().Err(err).Str("account", account).Msg("a restriction could not be lifted")
					continue
				}
				r.log.Info().Str("account", account).Str("detail", detail).Msg("the storm is over: the restriction is lifted")
			}
		case <-ctx.Done():
			return
		}
	}
}

// eased are the accounts whose restriction is to end.
func (r *Responder) eased(now time.Time) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for account, x := range r.restricted {
		if x.over(now, r.policy.Restrict) {
			list = append(list, account)
		}
	}
	return list
}

// recallRestricted takes over a restriction of a former run.
func (r *Responder) recallRestricted(now time.Time, h incident.Hold) {
	x := &restriction{up: true, since: h.Since, from: now, tried: map[netip.Prefix]time.Time{}}
	for word := range strings.FieldsSeq(h.Value) {
		if p, err := netip.ParsePrefix(word); err == nil {
			x.to = append(x.to, p)
		}
	}
	r.restricted[h.Account] = x
}

func prefixWords(list []netip.Prefix) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

// held says what is taken from an account for now. The caller holds the lock.
func (r *Responder) held(account string) string {
	var words []string
	if _, locked := r.locked[account]; locked {
		words = append(words, "locked")
	}
	if x := r.restricted[account]; x != nil {
		words = append(words, "restricted to "+prefixWords(x.to))
	}
	return strings.Join(words, ", ")
}
