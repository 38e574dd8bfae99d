package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Operator carries out what a person asks about bans.
type Operator struct {
	Registry *Registry
	Offences *Offences
	Repeats  *Offences // bans on spoofable evidence
	Queue    *KernelQueue
	Ledger   Ledger
	// With runs a function under the lock that guards the registry. The functions
	// below that say so are called from within one.
	With func(func())
	// Objection is why a prefix should not be banned, "" when nothing speaks
	// against it. Called under the lock.
	Objection func(netip.Prefix) string
	// Allowed says whether the allow list covers all of a prefix. Called under
	// the lock.
	Allowed func(netip.Prefix) bool
	// ClearScore forgets what a released address scored. Called under the lock.
	ClearScore func(netip.Prefix)
	// Partial are the partial blocks. It may be nil: there are none.
	Partial PartialBlocks
	// Acted records what a person did.
	Acted func(now time.Time, uid uint32, what, target, detail string)
	// Changed is called for each ban that came into force or was released.
	Changed func(incident.Ban, incident.BanChange)
}

// Ban drops a prefix. It is refused, unless forced, when an allowed or a
// protected address lies in it.
func (o *Operator) Ban(prefix netip.Prefix, until time.Time, reason string, force bool, uid uint32) (incident.Ban, error) {
	return o.BanScope(prefix, until, "", reason, force, uid)
}

// BanScope is Ban with a scope.
func (o *Operator) BanScope(prefix netip.Prefix, until time.Time, scope incident.Scope, reason string, force bool, uid uint32) (incident.Ban, error) {
	now := time.Now()
	prefix = prefix.Masked()
	ban := incident.Ban{Prefix: prefix, Since: now, Until: until, Scope: scope, Reason: reason, Origin: incident.OriginOperator, Step: incident.StepUnknown}
	var why string
	o.With(func() { why = o.Objection(prefix) })
	if why != "" && !force {
		return ban, fmt.Errorf("%w: %s; use --force to ban it anyway", incident.ErrRefused, why)
	}
	if err := o.put(now, ban); err != nil {
		return ban, fmt.Errorf("ban %s: %w", incident.PrefixText(prefix), err)
	}
	o.Ledger.PutBan(ban)
	o.Acted(now, uid, "ban", incident.PrefixText(prefix), reason)
	o.Changed(ban, incident.Banned)
	return ban, nil
}

// put brings a ban into the registry and the kernel, or leaves both as they
// were.
func (o *Operator) put(now time.Time, ban incident.Ban) error {
	doneC := make(chan error, 1)
	var was incident.Ban
	var banned, room bool
	o.With(func() {
		was, banned = o.Registry.Exact(now, ban.Prefix)
		o.Registry.Put(ban)
		room = o.Queue.Ban(ban, func(err error) {
			if err == nil {
				o.With(func() { o.Registry.Acknowledged(time.Now(), ban) })
			}
			answer(doneC)(err)
		})
	})
	err := await(room, doneC)
	if err != nil && !errors.Is(err, errUnconfirmed) {
		o.With(func() {
			if is, ok := o.Registry.Exact(now, ban.Prefix); !ok || is != ban {
				return // decided otherwise meanwhile
			}
			if o.Registry.Remove(ban.Prefix); banned {
				o.Registry.Put(was)
			}
		})
	}
	return err
}

// Released is what an order released.
type Released struct {
	Bans    []incident.Ban
	Partial []incident.PartialBlock
	// Forgiven are the offences that were forgotten.
	Forgiven int
}

// Nothing says whether nothing was in force that could be released.
func (r *Released) Nothing() bool { return len(r.Bans)+len(r.Partial) == 0 }

// Unban releases the ban of exactly this prefix, and lifts the partial blocks in it.
// The score of an address is cleared with its ban: the next mistake does not bring it
// back at once. With forgive its offences are cleared as well, so that its next ban is
// a first one again; then it need not be banned now.
func (o *Operator) Unban(prefix netip.Prefix, forgive bool, uid uint32) (r Released, err error) {
	now := time.Now()
	prefix = prefix.Masked()
	var ban, around incident.Ban
	var banned, covered bool
	o.With(func() {
		ban, banned = o.Registry.Exact(now, prefix)
		around, covered = o.Registry.Covering(now, prefix)
		if forgive {
			r.Forgiven = o.clearOffences(prefix)
		}
		if forgive && !banned {
			o.Registry.Remove(prefix) // so that it is not renewed either
		}
	})
	r.Partial, err = o.lift(now, func(b incident.PartialBlock) bool { return b.Concerns(prefix) })
	if banned && err == nil {
		if err = o.Release(now, []incident.Ban{ban}, byUser(uid)); err == nil {
			r.Bans = []incident.Ban{ban}
		}
	}
	if err == nil && (forgive || !r.Nothing()) {
		o.Acted(now, uid, "unban", incident.PrefixText(prefix), r.detail(forgive))
	}
	switch {
	case err != nil:
		return r, err
	case r.Nothing() && covered:
		return r, fmt.Errorf("%w: %s is %s", incident.ErrRefused, incident.PrefixText(prefix), heldBy(prefix, around))
	case r.Nothing() && !forgive:
		return r, fmt.Errorf("%w: %s is not banned", incident.ErrRefused, incident.PrefixText(prefix))
	}
	return r, nil
}

// UnbanAll releases every ban, and lifts every partial block.
func (o *Operator) UnbanAll(forgive bool, uid uint32) (r Released, err error) {
	now := time.Now()
	var list []incident.Ban
	o.With(func() {
		list = o.Registry.List(now)
		if forgive {
			for _, b := range list {
				r.Forgiven += o.clearOffences(b.Prefix)
			}
		}
	})
	NewestFirst(list)
	if err := o.Release(now, list, byUser(uid)); err != nil {
		return r, err
	}
	r.Bans = list
	if r.Partial, err = o.lift(now, func(incident.PartialBlock) bool { return true }); err != nil {
		return r, err
	}
	detail := incident.Count(len(list), "ban")
	if n := len(r.Partial); n > 0 {
		detail += ", " + incident.Count(n, "partial block")
	}
	o.Acted(now, uid, "unban", "all", detail)
	return r, nil
}

// detail is what is recorded of an order about one address.
func (r *Released) detail(forgive bool) string {
	var words []string
	for _, b := range r.Partial {
		words = append(words, b.Target()+", "+b.Words())
	}
	if forgive {
		words = append(words, incident.Count(r.Forgiven, "earlier ban")+" forgotten")
	}
	return strings.Join(words, "; ")
}

// ReleaseAllowed releases the bans that the allow list covers whole, and the
// networks closed on spoofable evidence that hold an allowed address. An allowed
// address inside any other wider ban needs no release: the kernel asks the allow
// list first.
func (o *Operator) ReleaseAllowed(now time.Time) (released []incident.Ban, err error) {
	o.With(func() {
		for _, ban := range o.Registry.List(now) {
			if o.Allowed(ban.Prefix) || ban.Spoofable() && ban.Network() && o.Objection(ban.Prefix) != "" {
				released = append(released, ban)
			}
		}
	})
	NewestFirst(released)
	return released, o.Release(now, released, byAllowList)
}

// Release lets banned prefixes through again and records which user did it.
func (o *Operator) Release(now time.Time, list []incident.Ban, by string) error {
	if len(list) == 0 {
		return nil
	}
	prefixes := make([]netip.Prefix, len(list))
	for i, b := range list {
		prefixes[i] = b.Prefix
	}
	doneC := make(chan error, 1)
	var room bool
	o.With(func() {
		for _, p := range prefixes {
			o.Registry.Remove(p)
			o.ClearScore(p)
		}
		room = o.Queue.Release(prefixes, answer(doneC))
	})
	err := await(room, doneC)
	if err != nil && !errors.Is(err, errUnconfirmed) {
		o.With(func() {
			for _, b := range list {
				if _, again := o.Registry.Exact(now, b.Prefix); !again {
					o.Registry.Put(b)
				}
			}
		})
	}
	if err != nil {
		what := "all bans"
		if len(list) == 1 {
			what = incident.PrefixText(list[0].Prefix)
		}
		return fmt.Errorf("release %s: %w", what, err)
	}
	for _, b := range list {
		if !b.Observed {
			o.Ledger.DeleteBan(b.Prefix, now, by)
		}
		o.Changed(b, incident.Released)
	}
	return nil
}

// clearOffences forgets the offences of every address in prefix, and says how many
// there were. It also forgets how often they were banned on spoofable evidence. Called
// under the lock.
func (o *Operator) clearOffences(prefix netip.Prefix) (forgiven int) {
	for source, n := range o.Offences.Clear(prefix) {
		forgiven += n
		o.ClearScore(source)
		o.Ledger.ForgetOffences(source)
	}
	for source := range o.Repeats.Clear(prefix) {
		o.ClearScore(source)
		o.Ledger.ForgetRepeats(source)
	}
	o.ClearScore(prefix)
	return forgiven
}

// confirmWithin bounds the wait for the kernel.
const confirmWithin = 30 * time.Second

var errUnconfirmed = fmt.Errorf("the kernel has not confirmed it within %s: `tollwarden status` says why", confirmWithin)

// await waits for the outcome of a change that was queued if there was room.
func await(room bool, doneC <-chan error) error {
	if !room {
		return ErrBusy
	}
	select {
	case err := <-doneC:
		return err
	case <-time.After(confirmWithin):
		return errUnconfirmed
	}
}

// List is every ban in force, the newest first, with those that mode observe did not carry
// out.
func (o *Operator) List(now time.Time) (list []incident.Ban) {
	o.With(func() { list = o.Registry.List(now) })
	NewestFirst(list) // off the lock: to sort very many would hold up the events
	return list
}

// Count is how many bans are in force in the kernel; one that ended may count for up to a
// minute more.
func (o *Operator) Count() (n int) {
	o.With(func() { n = o.Registry.Count() })
	return n
}

// Closed is how many networks are closed on spoofable evidence.
func (o *Operator) Closed(now time.Time) (n int) {
	o.With(func() {
		for _, ban := range o.Registry.Closed() {
			if ban.InForce(now) {
				n++
			}
		}
	})
	return n
}

// StillHeld is what still holds a prefix whose own ban was released, in whole or
// in part, and what to do; "" when nothing does.
func (o *Operator) StillHeld(prefix netip.Prefix) (why string) {
	now := time.Now()
	o.With(func() {
		if around, covered := o.Registry.Covering(now, prefix); covered {
			why = "it is still " + heldBy(prefix, around)
		} else if inside := len(o.Registry.Within(now, prefix)); inside > 0 {
			why = incident.Count(inside, "ban") + " still in force within it: `tollwarden bans` lists them"
		}
	})
	return why
}

func heldBy(prefix netip.Prefix, around incident.Ban) string {
	closes, wide := "", incident.PrefixText(around.Prefix)
	switch around.Scope {
	case incident.ScopeSIP:
		closes = " for SIP and IAX2 over UDP"
	case incident.ScopeAsterisk:
		closes = " at Asterisk's ports"
	}
	return fmt.Sprintf("held by the ban of %s%s: %s releases all of it, %s lets this one through",
		wide, closes, incident.Command("unban", wide), incident.Command("allow", "add", incident.PrefixText(prefix)))
}

func byUser(uid uint32) string { return fmt.Sprintf("uid %d", uid) }
