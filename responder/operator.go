package responder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// ErrRefused begins every refusal of an operator's order; the text says why
// and what to do.
var ErrRefused = errors.New("refused")

// SetOwn tells where our own manager sessions come from, as Asterisk sees it.
func (r *Responder) SetOwn(addr netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own = addr
}

// Resync rebuilds from Asterisk what its events tell: the accounts, the
// channels that are up and the registrations; then whom its configuration trusts.
func (r *Responder) Resync(ctx context.Context) error { return r.ResyncAt(ctx, time.Now()) }

// ResyncAt is Resync where time is not that of a clock.
func (r *Responder) ResyncAt(ctx context.Context, now time.Time) error {
	accounts, err := r.parts.PBX.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	r.mu.Lock()
	r.calls.List(accounts)
	r.calls.Ask()
	r.mu.Unlock()
	up, err := r.parts.PBX.Channels(ctx)
	if err != nil {
		return fmt.Errorf("list channels: %w", err)
	}
	r.mu.Lock()
	r.calls.Rebuild(now, up)
	r.mu.Unlock()
	contacts, err := r.parts.PBX.Contacts(ctx)
	if err != nil {
		return fmt.Errorf("list registrations: %w", err)
	}
	registered := make([]calls.Contact, len(contacts))
	for i, c := range contacts {
		registered[i] = calls.Contact{Account: c.Account, Source: c.Source, Agent: c.Agent}
	}
	r.mu.Lock()
	r.trust.learn(now, contacts, r.breakIn, r.failedAt)
	r.raise(now, r.calls.Contacts(now, registered))
	r.agents.learn(contacts)
	r.registered = r.registered[:0]
	for _, c := range contacts {
		r.registered = append(r.registered, c.Account)
	}
	for _, c := range up {
		if c.Account != "" {
			r.registered = append(r.registered, c.Account)
		}
	}
	r.mu.Unlock()
	trusted, err := r.parts.PBX.Trusted(ctx)
	if err != nil {
		err = fmt.Errorf("list carriers: %w", err)
	}
	if err == nil || len(trusted) > 0 {
		r.mu.Lock()
		r.trust.configure(trusted)
		r.mu.Unlock()
	}
	return errors.Join(err, r.exonerate(now))
}

// exonerate releases the claimed bans of protected sources: of those that were
// forged while it was not known, as before a start's first questions, whom the
// PBX trusts.
func (r *Responder) exonerate(now time.Time) error {
	var bans []Ban
	r.mu.Lock()
	if r.book.claimed > 0 { // else there is no need to look at every home
		for protected := range r.trust.protected() {
			for _, ban := range r.book.bans.Subnets(protected) {
				if ban.Claimed() && ban.InForce(now) {
					bans = append(bans, ban)
				}
			}
		}
	}
	r.mu.Unlock()
	return r.release(now, bans, "protected, and the evidence can be forged")
}

// failedAt says whether the source of a registration has failed for its account,
// by evidence as good as least at least. The caller holds the lock.
func (r *Responder) failedAt(c Contact, least score.Proof) bool {
	for _, e := range r.table.Evidence(score.Key{Per: score.PerSource, Prefix: event.SourcePrefix(c.Source)}) {
		if e.Signal.Failure() && e.Proof >= least && e.Account == c.Account {
			return true
		}
	}
	return false
}

// Bans are the bans in force, newest first.
func (r *Responder) Bans(now time.Time) []Ban {
	list := r.inForce(now)
	newestFirst(list)
	return list
}

// inForce is the same in no order. To sort very many would hold up the events.
func (r *Responder) inForce(now time.Time) []Ban {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.list(now)
}

// BanCount is how many bans are in force; one that ended may count for up to a
// minute more.
func (r *Responder) BanCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.count()
}

// Counters are what was seen since the start.
func (r *Responder) Counters() Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counters
}

// ChannelsUp is the number of channels up, by the events.
func (r *Responder) ChannelsUp() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls.Len()
}

// Ban drops a prefix at an operator's word. It is refused, unless forced, when
// an allowed or a protected source lies in it.
func (r *Responder) Ban(prefix netip.Prefix, until time.Time, reason string, force bool, uid uint32) (Ban, error) {
	now := time.Now()
	prefix = prefix.Masked()
	ban := Ban{Prefix: prefix, Since: now, Until: until, Reason: reason, Origin: OriginOperator}
	if r.policy.Observe {
		return ban, fmt.Errorf("%w: mode is observe, nothing is dropped", ErrRefused)
	}
	r.mu.Lock()
	why := r.objection(prefix)
	r.mu.Unlock()
	if why != "" && !force {
		return ban, fmt.Errorf("%w: %s; --force bans it all the same", ErrRefused, why)
	}
	r.fetch(now, prefix)
	if err := r.putInForce(now, ban); err != nil {
		return ban, fmt.Errorf("ban %s: %w", PrefixString(prefix), err)
	}
	r.parts.Ledger.PutBan(ledgerBan(ban))
	r.act(now, uid, "ban", PrefixString(prefix), reason)
	r.herald(ban, Banned)
	return ban, nil
}

// putInForce brings a ban into the book and the kernel, or leaves both as they
// were.
func (r *Responder) putInForce(now time.Time, ban Ban) error {
	r.hand.Lock()
	defer r.hand.Unlock()
	r.mu.Lock()
	was, banned := r.book.exact(now, ban.Prefix)
	r.book.put(ban)
	r.overrule(ban.Prefix)
	r.mu.Unlock()
	err := r.parts.Firewall.Ban(now, []Ban{ban})
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.overruled, ban.Prefix)
		if r.book.remove(ban.Prefix); banned {
			r.book.put(was)
		}
	}
	return err
}

// objection is why a prefix should not be banned; "" when nothing speaks
// against it. The caller holds the lock.
func (r *Responder) objection(prefix netip.Prefix) string {
	if r.trust.covers(prefix) {
		return PrefixString(prefix) + " is on the allow list, or holds an address that is"
	}
	if protected, why := r.trust.holds(prefix); why != "" {
		return PrefixString(protected) + " is protected: " + why
	}
	return ""
}

// act records what a person had the daemon do.
func (r *Responder) act(now time.Time, uid uint32, what, target, detail string) {
	r.parts.Ledger.PutAction(ledger.Action{At: now, UID: int(uid), Action: what, Target: target, Detail: detail})
	r.log.Info().Uint32("uid", uid).Str("target", target).Str("detail", detail).Msg("operator: " + what)
}
