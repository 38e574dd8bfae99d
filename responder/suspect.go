package responder

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

const (
	// suspectFor is how long the challenges to a source that failed are looked
	// at: longer than a claimed ban and its parole, so that who comes back after
	// it proves himself with his next guesses.
	suspectFor = 2 * time.Hour
	// maxSuspects bounds them: strangers name new sources as fast as they like.
	// The kernel's sets have room for twice as many.
	maxSuspects = 1 << 16
	// maxWatchOrders bounds what waits for the kernel.
	maxWatchOrders = 4096
)

// suspects are the sources whose challenges the kernel is asked to tell.
type suspects struct {
	until  map[netip.Prefix]time.Time
	orders chan watchOrder
}

// watchOrder is one source to suspect, or one flow to drop and what to call
// with the outcome.
type watchOrder struct {
	suspect netip.Prefix
	flow    netip.AddrPort
	done    func(error)
}

func newSuspects() suspects {
	return suspects{until: map[netip.Prefix]time.Time{}, orders: make(chan watchOrder, maxWatchOrders)}
}

// prune forgets those whose time is over.
func (s *suspects) prune(now time.Time) {
	for prefix, until := range s.until {
		if !now.Before(until) {
			delete(s.until, prefix)
		}
	}
}

// Challenged takes a nonce that left for an address. It may be called from any
// goroutine; nonce is borrowed.
func (r *Responder) Challenged(now time.Time, to netip.Addr, nonce []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nonces.sent(now, to, nonce)
	r.counters.Challenges++
}

// suspect asks for the challenges to a source that failed without proof. The
// caller holds the lock.
func (r *Responder) suspect(o *score.Observation) {
	if r.parts.Watch == nil || o.Proof == score.Proven || !o.Signal.Failure() || o.Transport != score.UDP {
		return
	}
	prefix := score.SourcePrefix(o.Source)
	if until, known := r.suspects.until[prefix]; known && o.At.Before(until) || r.trust.allowed(prefix) {
		return
	}
	if len(r.suspects.until) >= maxSuspects {
		r.counters.SuspectsRefused++
		return
	}
	select {
	case r.suspects.orders <- watchOrder{suspect: prefix}:
		r.suspects.until[prefix] = o.At.Add(suspectFor)
	default:
		r.counters.SuspectsRefused++
	}
}

// watch carries suspects and flows into the kernel until ctx ends, all suspects
// that are queued in one go.
func (r *Responder) watch(ctx context.Context) {
	var batch []netip.Prefix
	for {
		select {
		case o := <-r.suspects.orders:
			batch = r.carryOut(batch[:0], o)
		case <-ctx.Done():
			return
		}
		for len(batch) < maxWatchOrders && len(r.suspects.orders) > 0 {
			batch = r.carryOut(batch, <-r.suspects.orders)
		}
		if len(batch) == 0 {
			continue
		}
		if err := r.parts.Watch.Suspect(suspectFor, batch...); err != nil {
			r.log.Error().Err(err).Msg("suspects cannot be watched: their guesses stay without proof")
		}
	}
}

// carryOut drops a flow at once, and puts a suspect into the batch.
func (r *Responder) carryOut(batch []netip.Prefix, o watchOrder) []netip.Prefix {
	if o.done == nil {
		return append(batch, o.suspect)
	}
	o.done(r.parts.Watch.DropFlow(r.policy.Ladder.Claimed, o.flow))
	return batch
}
