package responder

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Unban releases the ban of exactly this prefix, at the word of the user uid.
// The score of a source is forgotten with its ban: the next mistake does not
// bring it back at once. With forgive its offences are forgotten as well, so
// that its next ban is a first one again; then it need not be banned now.
func (r *Responder) Unban(prefix netip.Prefix, forgive bool, uid uint32) (released []Ban, forgiven int, err error) {
	now := time.Now()
	prefix = prefix.Masked()
	if forgive {
		if err := r.whole(); err != nil { // the offences are loaded last
			return nil, 0, err
		}
	}
	r.fetch(now, prefix)
	r.mu.Lock()
	ban, banned := r.book.exact(now, prefix)
	around, covered := r.book.covering(now, prefix)
	if forgive {
		forgiven = r.pardon(prefix)
	}
	if forgive && !banned {
		r.book.remove(prefix) // its parole, too
	}
	r.mu.Unlock()
	if banned {
		released = []Ban{ban}
		err = r.release(now, released, fmt.Sprintf("uid %d", uid))
	}
	if err == nil && (banned || forgive) {
		r.act(now, uid, "unban", PrefixString(prefix), words(forgive, fmt.Sprintf("%s forgotten", incident.Count(forgiven, "offence"))))
	}
	switch {
	case err != nil:
		return nil, forgiven, err
	case !banned && covered:
		return nil, forgiven, fmt.Errorf("%w: %s is %s", ErrRefused, PrefixString(prefix), heldBy(prefix, around.Prefix))
	case !banned && !forgive:
		return nil, 0, fmt.Errorf("%w: %s is not banned", ErrRefused, PrefixString(prefix))
	}
	return released, forgiven, nil
}

func heldBy(prefix, around netip.Prefix) string {
	return fmt.Sprintf("held by the ban of %s: `tollwarden unban %s` releases all of it, `tollwarden allow add %s` lets this one through",
		PrefixString(around), PrefixString(around), PrefixString(prefix))
}

// Held is what still holds a prefix whose own ban was released, in whole or in
// part, and what to do; "" when nothing does.
func (r *Responder) Held(prefix netip.Prefix) string {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if around, covered := r.book.covering(now, prefix); covered {
		return "it is still " + heldBy(prefix, around.Prefix)
	}
	inside := 0
	for _, ban := range r.book.bans.Subnets(prefix) {
		if ban.InForce(now) {
			inside++
		}
	}
	if inside > 0 {
		return fmt.Sprintf("%s within it hold on: `tollwarden bans` lists them", incident.Count(inside, "ban"))
	}
	return ""
}

// UnbanAll releases every ban.
func (r *Responder) UnbanAll(forgive bool, uid uint32) (released []Ban, forgiven int, err error) {
	if err := r.whole(); err != nil {
		return nil, 0, err
	}
	now := time.Now()
	r.mu.Lock()
	released = r.book.list(now)
	if forgive {
		for _, b := range released {
			forgiven += r.pardon(b.Prefix)
		}
	}
	r.mu.Unlock()
	newestFirst(released)
	if err := r.release(now, released, fmt.Sprintf("uid %d", uid)); err != nil {
		return nil, forgiven, err
	}
	r.act(now, uid, "unban", "all", incident.Count(len(released), "ban"))
	return released, forgiven, nil
}

// release lets banned prefixes through again and records by whom.
func (r *Responder) release(now time.Time, bans []Ban, by string) error {
	if len(bans) == 0 {
		return nil
	}
	prefixes := make([]netip.Prefix, len(bans))
	for i, b := range bans {
		prefixes[i] = b.Prefix
	}
	r.hand.Lock()
	defer r.hand.Unlock()
	r.mu.Lock()
	for _, p := range prefixes {
		r.book.remove(p)
		r.overrule(p)
		r.acquit(p)
	}
	r.mu.Unlock()
	if err := r.parts.Firewall.Release(prefixes...); err != nil {
		r.mu.Lock()
		for _, b := range bans {
			r.book.put(b)
			delete(r.overruled, b.Prefix)
		}
		r.mu.Unlock()
		return fmt.Errorf("release %s: %w", words(len(bans) == 1, PrefixString(prefixes[0])), err)
	}
	for _, b := range bans {
		if !b.Observed {
			r.parts.Ledger.DeleteBan(b.Prefix, now, by)
		}
		r.herald(b, Released)
	}
	return nil
}

// acquit forgets what a released source scored. The caller holds the lock.
func (r *Responder) acquit(prefix netip.Prefix) {
	r.table.Forget(score.Key{Per: score.PerSource, Prefix: event.SourcePrefix(prefix.Addr())})
	r.table.Forget(score.Key{Per: score.PerNetwork, Prefix: event.NetworkPrefix(prefix.Addr())})
}

// pardon forgets the offences of every source in prefix, and says how many
// there were. The caller holds the lock.
func (r *Responder) pardon(prefix netip.Prefix) (forgiven int) {
	for source, n := range r.offences.pardon(prefix) {
		forgiven += n
		r.acquit(source)
		r.parts.Ledger.ForgetOffences(source)
	}
	r.acquit(prefix)
	return forgiven
}

func words(say bool, what string) string {
	if say {
		return what
	}
	return ""
}
