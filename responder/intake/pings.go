package intake

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Pings tells monitoring from scanning. PJSIP reports an InvalidAccountID for every
// request of a sender that it does not know, so also for the OPTIONS of a monitor, of
// another PBX that qualifies this one, and for keep-alives by NOTIFY. The event does not
// say what the request was.
//
//   - A name that an address has not used before counts, whatever the request: whoever
//     looks for extensions names many.
//   - The same name from the same address again counts only if it comes fast, or if the
//     wire or Asterisk's log shows that the request was neither an OPTIONS nor a NOTIFY. So a monitor counts
//     once a day for each name that it uses.
//
// That gains a scanner nothing: the response to the same question is the same, and a
// request with a wrong password counts as one (ChallengeResponseFailed).
//
// Its tables have a fixed size. If one forgets something, a ping counts that need not.
type Pings struct {
	seed      maphash.Seed
	exchanges []exchange
	names     [][pingWays]pinged

	ignored uint64
}

const (
	exchangeSlots = 1 << 12
	pingSlots     = 1 << 10
	pingWays      = 4
	// pingCounts is how often the same name from an address counts at least.
	pingCounts = 24 * time.Hour
	// pingPace is how far apart pings with the same name are at least, except for a few
	// at once.
	pingPace  = 8 * time.Second
	pingBurst = 3
)

// exchange is what is known of the last request of a dialog, by Call-ID and address.
type exchange struct {
	hash    uint64
	at      uint32 // seconds since 1970
	request requestKind
	ping    bool // the last name in it is a ping's
	ignored bool // the attempt's first half would have counted, were it no ping
}

type requestKind uint8

const (
	unseen    requestKind = iota // the wire does not show it
	keepAlive                    // an OPTIONS or NOTIFY
	asks                         // anything else
)

// pinged is a name that an address has used.
type pinged struct {
	hash    uint64
	counted int64   // when it last counted, in milliseconds since 1970
	last    int64   // when it was last used
	level   float32 // of a bucket that leaks one use per pingPace
	uses    uint32
}

func newPings() *Pings {
	return &Pings{seed: maphash.MakeSeed(), exchanges: make([]exchange, exchangeSlots), names: make([][pingWays]pinged, pingSlots)}
}

// Requested records a request that arrived over UDP. It borrows r.
func (p *Pings) Requested(now time.Time, from netip.Addr, r *sip.Request) {
	x := p.exchange(now, from, r.ID.CallID)
	x.request = asks
	if bytes.Equal(r.Method, options) || bytes.Equal(r.Method, notify) {
		x.request = keepAlive
	}
}

// Logged records what Asterisk's log says of a request, if the wire does not show it.
func (p *Pings) Logged(now time.Time, e *event.Event) {
	if len(e.RequestType) == 0 || e.Doubtful {
		return
	}
	x := p.exchange(now, e.Remote.Addr(), e.SessionID)
	switch {
	case x.request != unseen:
	case bytes.Equal(e.RequestType, options), bytes.Equal(e.RequestType, notify):
		x.request = keepAlive
	default:
		x.request = asks
	}
}

var options, notify = []byte("OPTIONS"), []byte("NOTIFY")

// Ignored is how many events did not count, being pings or the second halves of attempts.
func (p *Pings) Ignored() uint64 { return p.ignored }

// KeepAlive says whether the wire shows the request of an observation to be an OPTIONS or
// a NOTIFY.
func (p *Pings) KeepAlive(o *score.Observation) bool {
	return p.exchange(o.At, o.Source, o.Session).request == keepAlive
}

// weigh says whether an event counts that did or did not as one half of an attempt
// (score.Attempts), which counts as a signal. A wrong password is never a ping's: if the
// half before it was ignored, it counts itself.
func (p *Pings) weigh(o *score.Observation, counted score.Signal, counts bool) bool {
	switch {
	case o.Signal == score.InvalidAccountID:
		x := p.exchange(o.At, o.Source, o.Session)
		if x.ping = p.again(o) && x.request != asks; counts {
			x.ignored = x.ping
		}
		counts = counts && !x.ping
	case o.Signal == score.ChallengeSent && counted == score.InvalidAccountID:
		x := p.exchange(o.At, o.Source, o.Session)
		x.ignored = x.ping
		counts = counts && !x.ping
	case o.Signal == score.ChallengeResponseFailed && !counts:
		x := p.exchange(o.At, o.Source, o.Session)
		counts, x.ignored = x.ignored, false
		return counts
	default:
		return counts
	}
	if !counts {
		p.ignored++
	}
	return counts
}

// again says whether an address has used a name before, and slowly.
func (p *Pings) again(o *score.Observation) bool {
	h := newHash(p.seed)
	hashAddr(&h, event.SourcePrefix(o.Source).Addr())
	h.Write(o.Account)
	hash, now := max(h.Sum64(), 1), o.At.UnixMilli()
	is := p.find(hash)
	age := now - is.last
	if is.hash != hash || age < 0 || now-is.counted >= pingCounts.Milliseconds() {
		*is = pinged{hash: hash, counted: now, last: now, level: 1, uses: 1}
		return false
	}
	is.level = max(is.level-float32(age)/float32(pingPace.Milliseconds()), 0) + 1
	is.last = now
	is.uses++
	return is.level <= pingBurst
}

// find finds the place of a name, or the one that it takes: of the name used least, since
// others that are used once must not replace a monitor's.
func (p *Pings) find(hash uint64) *pinged {
	set := &p.names[hash%pingSlots]
	least := &set[0]
	for i := range set {
		switch is := &set[i]; {
		case is.hash == hash:
			return is
		case is.uses < least.uses || is.uses == least.uses && is.last < least.last:
			least = is
		}
	}
	return least
}

// exchange finds the place of a dialog, and empties it if it was another's.
func (p *Pings) exchange(now time.Time, from netip.Addr, callID []byte) *exchange {
	h := newHash(p.seed)
	hashAddr(&h, from.Unmap())
	h.Write(callID)
	hash := max(h.Sum64(), 1)
	x := &p.exchanges[hash%exchangeSlots]
	if x.hash != hash || !younger(now, x.at, int64(answerWithin/time.Second)) {
		*x = exchange{hash: hash}
	}
	x.at = uint32(now.Unix())
	return x
}
