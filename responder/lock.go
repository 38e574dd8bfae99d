package responder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// unknownContext is kept of an account that was found locked in Asterisk: no
// context that Unlock could write back.
const unknownContext = "unknown"

// inPart ends what is kept of an account whose lock failed, and may have taken
// effect in part: its calls are ended as if Asterisk had not been told.
const inPart = "in-part"

// Lock takes an account's calls away at an operator's word, until Unlock.
func (r *Responder) Lock(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := r.mayOrder(account); err != nil {
		return "", err
	}
	now := time.Now()
	detail, err = r.lockUp(context.WithoutCancel(ctx), account)
	r.acted(now, uid, "lock", account, detail, err)
	return detail, err
}

// lockUp locks an account and keeps what unlocks it. What Asterisk could not be
// told, the responder does itself as long as it runs: it ends the account's
// calls as they come.
func (r *Responder) lockUp(ctx context.Context, account string) (detail string, err error) {
	news := r.keepLocked(account, "")
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	was, detail, err := r.parts.PBX.Lock(ctx, account)
	if was == "" && err == nil {
		was = unknownContext // locked before, and nobody here knows from where
	}
	switch {
	case was != "" && err != nil:
		r.keepLocked(account, was+" "+inPart)
	case was != "":
		r.keepLocked(account, was)
	}
	if errors.Is(err, ErrRefused) {
		if news {
			r.forgetLocked(account)
		}
		return "", err
	}
	if err != nil {
		return detail, fmt.Errorf("%w; as long as the daemon runs it ends the calls of %s as they come", err, account)
	}
	return detail + "; before: " + was, nil
}

// Unlock gives a locked account its calls back, and lifts the restriction of
// one that can be used from its known networks alone. What strangers failed
// during its storm is forgiven then: whoever the person lets in comes from a
// new place, and is no thief for that alone. It is heard in mode observe, too:
// there the daemon takes nothing away, and a person can still give back what it
// took before.
func (r *Responder) Unlock(ctx context.Context, account string, uid uint32) (detail string, err error) {
	if err := ordinary(account); err != nil {
		return "", err
	}
	now := time.Now()
	r.mu.Lock()
	was, locked := r.locked[account]
	restricted := r.restricted[account] != nil
	if restricted {
		r.spared[account] = spared{now.Add(spareFor), "a person lifted its restriction"}
	}
	r.mu.Unlock()
	switch {
	case restricted && locked:
		opened, lerr := r.lift(context.WithoutCancel(ctx), account)
		detail, err = r.unlock(ctx, account, was)
		detail, err = opened+"; "+detail, errors.Join(lerr, err)
	case restricted:
		detail, err = r.lift(context.WithoutCancel(ctx), account)
	case locked:
		detail, err = r.unlock(ctx, account, was)
	default:
		return "", fmt.Errorf("%w: %s is neither locked nor restricted by this daemon", ErrRefused, account)
	}
	if restricted && err == nil {
		r.mu.Lock()
		r.breakIn.Forgive(account)
		r.mu.Unlock()
	}
	r.acted(now, uid, "unlock", account, detail, err)
	return detail, err
}

func (r *Responder) unlock(ctx context.Context, account, was string) (detail string, err error) {
	if was != "" {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), rotateWithin)
		defer cancel()
		detail, err = r.parts.PBX.Unlock(within, account, strings.TrimSuffix(was, " "+inPart))
	} else {
		detail = "Asterisk had not been told"
	}
	if err == nil {
		r.forgetLocked(account)
	}
	return detail, err
}

func (r *Responder) forgetLocked(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.locked, account)
	r.parts.Ledger.DropHold(account, incident.HoldLock)
}

// keepLocked remembers a lock, and says whether there was none; one known
// already keeps what unlocks it, and one in part takes the rest.
func (r *Responder) keepLocked(account, was string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, locked := r.locked[account]
	if known != "" && (was == "" || !strings.HasSuffix(known, inPart)) {
		return false
	}
	was = joined(known, was)
	r.locked[account] = was
	now := time.Now()
	r.parts.Ledger.PutHold(incident.Hold{Account: account, Kind: incident.HoldLock, Value: was, Since: now})
	return !locked
}

// joined is what unlocks an account locked in part before, and then again.
func joined(known, was string) string {
	words := slices.DeleteFunc(strings.Fields(known), func(word string) bool { return word == inPart })
	for word := range strings.FieldsSeq(was) {
		if !slices.Contains(words, word) && (word != unknownContext || len(words) == 0) {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// endLocked ends a call of an account that Asterisk could not be told to lock. The caller holds
// the lock.
func (r *Responder) endLocked(c calls.Channel) {
	if was, locked := r.locked[c.Account]; r.policy.Observe || !locked || was != "" && !strings.HasSuffix(was, inPart) {
		return // Asterisk itself says what a locked account may still dial
	}
	r.endSoon(ending{channel: c.Name})
}
