package intake

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Suspects decides which SIP messages of a suspect pass, over UDP and in both
// directions. A suspect guesses, but cannot be banned: others live at its address, and
// packets that name it may be spoofed. So what a guesser needs is rationed, and not
// what a phone needs:
//
//   - A request without credentials passes. It only gets a challenge.
//   - Credentials that answer a challenge which was let out to this address pass
//     until ten of them within a minute were refused. A blind spoofer never has
//     such a challenge, so it does not use up what the phones there need. A phone
//     may answer one that is no longer good: the next one is in the response.
//   - Of other credentials ten pass within a minute: anybody can make up the
//     challenge that they answer.
//   - A response passes if it goes to where Asterisk had the request from. Otherwise
//     the sender of the request wrote another source, and has the response sent there.
//
// Suspects is pure and of fixed size, but for one entry per suspect, which is bounded,
// too. It has no lock: its owner calls it from one goroutine.
type Suspects struct {
	seed     maphash.Seed
	nonces   []mark // by address and nonce: a challenge that was let out
	requests []admitted
	budgets  map[netip.Prefix]*budget
	pruned   time.Time // when unused budgets were last forgotten
}

// Ration is how many guesses of a suspect pass within RationPer.
const (
	Ration    = 10
	RationPer = time.Minute
)

const (
	suspectNonces = 1 << 16 // 1 MB
	// suspectNonceLasts is longer than phones keep a challenge for their next request.
	suspectNonceLasts = 2 * 3600
	// admittedSlots is room for the requests under way at all suspects.
	admittedSlots = 1 << 12
	// maxBudgets bounds the addresses that are rationed. Of further ones, which
	// share a budget, none guesses more for that.
	maxBudgets = 1 << 14
)

// admitted is a request with credentials that passed.
type admitted struct {
	key     uint64 // of its transaction and address
	message uint64 // hash of all its bytes
	at      int64  // milliseconds since 1970
	spent   bool   // one of the ration, which a response may give back
	shared  bool   // a request without credentials was of the same transaction
}

// budget is what is left to a suspect.
type budget struct{ refused, made ration }

// ration holds the times of the last that passed, in milliseconds since 1970.
type ration struct {
	times [Ration]int64
	next  int
}

// NewSuspects makes a Suspects that has seen nothing.
func NewSuspects() *Suspects {
	return &Suspects{
		seed: maphash.MakeSeed(), nonces: make([]mark, suspectNonces), requests: make([]admitted, admittedSlots),
		budgets: map[netip.Prefix]*budget{},
	}
}

// Request says whether a request of a suspect passes. truncated says that the end of
// the message is missing. It borrows message.
func (s *Suspects) Request(now time.Time, from netip.AddrPort, message []byte, truncated bool) (pass bool) {
	r, ok := sip.ParseRequest(bytes.TrimLeft(message, "\r\n"))
	if string(r.Method) == "ACK" { // it is never answered
		return true
	}
	slot, key, hash := s.slot(from, &r.ID), s.key(from, &r.ID), maphash.Bytes(s.seed, message)
	known := slot.key == key && slot.recent(now)
	if ok && !truncated && !r.Credentials && !mentions(message, "authorization") {
		if known || !slot.recent(now) { // its response gives nothing back
			*slot = admitted{key: key, message: slot.message, at: now.UnixMilli(), shared: true}
		}
		return true
	}
	if known && slot.message == hash && ok && !truncated { // what is missing may differ
		return true // sent again, which is no further guess
	}
	b := s.budget(now, from)
	ration := &b.made
	if honest := ok && s.challenged(now, from.Addr(), r.Nonce); honest {
		ration = &b.refused
	}
	if !ration.take(now) {
		return false
	}
	shared := known && slot.shared
	*slot = admitted{key: key, message: hash, at: now.UnixMilli(), spent: ration == &b.refused && !shared, shared: shared}
	return true
}

// Response says whether a response to a suspect passes. It borrows message.
func (s *Suspects) Response(now time.Time, to netip.AddrPort, message []byte) (pass bool) {
	r, ok := sip.ParseResponse(message)
	if !ok {
		return true
	}
	for _, from := range r.Received() {
		if from != to.Addr().Unmap() {
			return false
		}
	}
	r.Nonces(func(nonce []byte) {
		*s.nonce(to.Addr(), nonce) = mark{s.nonceHash(to.Addr(), nonce), uint32(now.Unix())}
	})
	if id, ok := r.Transaction(); ok && r.Status >= 200 {
		slot := s.slot(to, &id)
		if slot.key == s.key(to, &id) && slot.spent {
			slot.spent = false // one response settles it
			if outcome(&r) != Refused {
				s.budget(now, to).refused.giveBack()
			}
		}
	}
	return true
}

// challenged says whether a nonce was let out to this address.
func (s *Suspects) challenged(now time.Time, by netip.Addr, nonce []byte) bool {
	if len(nonce) == 0 {
		return false
	}
	m := s.nonce(by, nonce)
	return m.hash == s.nonceHash(by, nonce) && younger(now, m.at, suspectNonceLasts)
}

func (s *Suspects) nonce(addr netip.Addr, nonce []byte) *mark {
	return &s.nonces[s.nonceHash(addr, nonce)%suspectNonces]
}

func (s *Suspects) nonceHash(addr netip.Addr, nonce []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	as16 := addr.As16()
	h.Write(as16[:])
	h.Write(nonce)
	return h.Sum64()
}

func (s *Suspects) slot(at netip.AddrPort, t *sip.Transaction) *admitted {
	return &s.requests[s.key(at, t)%admittedSlots]
}

// key is that of a transaction at an address: the response may go to another port
// than the request came from (RFC 3581).
func (s *Suspects) key(at netip.AddrPort, t *sip.Transaction) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	as16 := at.Addr().As16()
	h.Write(as16[:])
	h.Write(t.CallID)
	var number [5]byte // with a byte that ends the Call-ID
	binary.BigEndian.PutUint32(number[1:], t.Number)
	h.Write(number[:])
	h.Write(t.Method)
	return h.Sum64()
}

func (a *admitted) recent(now time.Time) bool {
	age := now.UnixMilli() - a.at
	return age >= 0 && age <= answerWithin.Milliseconds()
}

// budget finds or makes that of an address.
func (s *Suspects) budget(now time.Time, at netip.AddrPort) *budget {
	key := event.SourcePrefix(at.Addr())
	b := s.budgets[key]
	if b == nil {
		if len(s.budgets) >= maxBudgets && now.Sub(s.pruned) >= time.Second {
			s.forget(now)
		}
		if len(s.budgets) >= maxBudgets {
			key = netip.Prefix{}
			if b = s.budgets[key]; b != nil {
				return b
			}
		}
		b = &budget{}
		s.budgets[key] = b
	}
	return b
}

// forget forgets the budgets that nothing was taken from lately.
func (s *Suspects) forget(now time.Time) {
	s.pruned = now
	for key, b := range s.budgets {
		if b.made.unused(now) && b.refused.unused(now) {
			delete(s.budgets, key)
		}
	}
}

// take takes one, if fewer than Ration were taken within RationPer.
func (r *ration) take(now time.Time) bool {
	oldest := &r.times[r.next]
	if age := now.UnixMilli() - *oldest; age >= 0 && age < RationPer.Milliseconds() {
		return false
	}
	*oldest = now.UnixMilli()
	r.next = (r.next + 1) % Ration
	return true
}

// giveBack makes the last one taken be none.
func (r *ration) giveBack() {
	r.next = (r.next + Ration - 1) % Ration
	r.times[r.next] = 0
}

func (r *ration) unused(now time.Time) bool {
	last := r.times[(r.next+Ration-1)%Ration]
	return now.UnixMilli()-last >= RationPer.Milliseconds()
}

// mentions says whether a message contains a word, in whatever case. A header that the
// parser here does not find, Asterisk may find.
func mentions(message []byte, word string) bool {
	for i := 0; i+len(word) <= len(message); i++ {
		if message[i]|0x20 == word[0] && bytes.EqualFold(message[i:i+len(word)], []byte(word)) {
			return true
		}
	}
	return false
}
