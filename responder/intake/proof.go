package intake

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Proof remembers which nonce was sent to which address. A guess that carries
// one of them has received it: its address is not spoofed, unless the nonce was
// misdirected. A Via with maddr has Asterisk send the answer to a spoofed request
// to the attacker, and PJSIP gives an address the same nonce all through a second,
// so that the attacker also sees what the address itself is sent. A nonce that was
// misdirected once is no proof for anybody.
//
// A login names no nonce: it is no proof where an answer to its address may have
// been misdirected. Attackers can bring that about for others, by spoofed requests
// or by addresses written into their own.
//
// Proof is of fixed size, with one place for a nonce and one for an address, by a
// hash that nobody outside can compute. What shares a place costs proof, never
// gives a wrong one: a nonce takes the place of another, but not of one that was
// misdirected, and addresses whose answers were misdirected at one place make all
// of that place doubtful.
type Proof struct {
	seed maphash.Seed
	// nonces has a mark for each nonce, by a hash of the nonce and of whom it was sent
	// to; 0 is a nonce that was misdirected.
	nonces []mark
	// misdirected has one for each address whose answer went elsewhere; 0 is several
	// addresses.
	misdirected []mark
	unseen      uint32 // when challenges last went unseen, in seconds since 1970
	assumed     bool   // that each answer came from where its challenge went
}

const (
	// proofSlots is room for the challenges of a flood, in 1 MB.
	proofSlots = 1 << 16
	// nonceLasts is how long a nonce counts after it was sent, or misdirected:
	// longer than PJSIP sends an answer again, 32 s. Asterisk's own live for 32 s
	// by default; an answer with one that has just run out proves as much.
	nonceLasts = 120
	// misdirectedLasts is how long an address's logins over UDP prove nothing:
	// longer than the nonces of anybody's Asterisk live (nonce_lifetime).
	misdirectedLasts = 600
)

func newProof() *Proof {
	return &Proof{seed: maphash.MakeSeed(), nonces: make([]mark, proofSlots), misdirected: make([]mark, proofSlots)}
}

// AssumeAnswered has every wrong answer to a challenge of PJSIP confirm its address: for
// recordings, which do not show where challenges went. Live, nearly all are confirmed.
func (p *Proof) AssumeAnswered() { p.assumed = true }

// IsAnswer reports whether an event is about an answer to a challenge of PJSIP, and from a log
// that can be trusted, if it is from one.
func IsAnswer(e *event.Event) bool {
	return e.Kind == event.ChallengeResponseFailed && string(e.Service) == "PJSIP" && !e.Doubtful
}

// Challenged takes a nonce that left for an address, in the answer to a request
// that Asterisk had from another, or from the same, or from one of these. It
// borrows of and nonce. It says whether the nonce went where it should.
func (p *Proof) Challenged(now time.Time, to netip.Addr, of []netip.Addr, nonce []byte) (direct bool) {
	if len(of) == 1 && of[0] == to {
		p.sent(now, to, nonce)
		return true
	}
	p.leaked(now, nonce)
	for _, source := range of {
		p.misdirect(now, source)
	}
	return false
}

// Unseen records that some challenges were not seen: any of them may have been
// misdirected.
func (p *Proof) Unseen(now time.Time) { p.unseen = uint32(now.Unix()) }

// Suspended is for how long nothing over UDP proves anything yet, because some
// challenges were not seen.
func (p *Proof) Suspended(now time.Time) time.Duration {
	return max(0, time.Unix(int64(p.unseen)+misdirectedLasts, 0).Sub(now))
}

func (p *Proof) suspended(now time.Time) bool { return younger(now, p.unseen, misdirectedLasts) }

// weigh decides what an attempt over UDP proves of its address.
func (p *Proof) weigh(now time.Time, e *event.Event, o *score.Observation) {
	switch {
	case o.Transport.Connected():
	case p.assumed && IsAnswer(e):
		o.Proof = score.Proven
	case p.suspended(now), o.Proof == score.Proven && p.doubtful(now, o.Source):
		o.Proof = score.Spoofable
	case p.answered(now, o.Source, nonceOf(e)):
		o.Proof = score.Proven
	}
}

func (p *Proof) sent(now time.Time, to netip.Addr, nonce []byte) {
	m := p.slot(nonce)
	if h, ok := p.hash(to, nonce); ok && (m.hash != 0 || !younger(now, m.at, nonceLasts)) {
		*m = mark{h, uint32(now.Unix())}
	}
}

func (p *Proof) leaked(now time.Time, nonce []byte) { *p.slot(nonce) = mark{at: uint32(now.Unix())} }

func (p *Proof) misdirect(now time.Time, source netip.Addr) {
	h, ok := p.hash(source, nil)
	if !ok {
		return
	}
	m := &p.misdirected[h%proofSlots]
	if m.hash != h && younger(now, m.at, misdirectedLasts) {
		h = 0
	}
	*m = mark{h, uint32(now.Unix())}
}

// doubtful says whether answers to an address may have been misdirected.
func (p *Proof) doubtful(now time.Time, source netip.Addr) bool {
	h, ok := p.hash(source, nil)
	if !ok {
		return true
	}
	m := p.misdirected[h%proofSlots]
	return (m.hash == h || m.hash == 0) && younger(now, m.at, misdirectedLasts)
}

// answered says whether this nonce was sent to this address a short time ago,
// and to nobody else.
func (p *Proof) answered(now time.Time, by netip.Addr, nonce []byte) bool {
	if len(nonce) == 0 {
		return false
	}
	h, ok := p.hash(by, nonce)
	m := p.slot(nonce)
	return ok && m.hash == h && younger(now, m.at, nonceLasts) && now.Unix() >= int64(m.at)-1
}

// slot is the place of a nonce.
func (p *Proof) slot(nonce []byte) *mark { return &p.nonces[maphash.Bytes(p.seed, nonce)%proofSlots] }

func (p *Proof) hash(source netip.Addr, nonce []byte) (uint64, bool) {
	prefix := event.SourcePrefix(source)
	if !prefix.IsValid() {
		return 0, false
	}
	h := newHash(p.seed)
	hashAddr(&h, prefix.Addr())
	h.Write(nonce)
	return max(h.Sum64(), 1), true
}

// nonceOf is the nonce that a failed attempt says it answers; nil when that
// proves nothing. With chan_sip it does not: that sends a challenge it has made
// once to whoever repeats the request, from another address, too (check_auth).
func nonceOf(e *event.Event) []byte {
	if e.Kind == event.ChallengeResponseFailed && string(e.Service) == "PJSIP" {
		return e.Challenge // what the client sent
	}
	return nil
}
