package intake

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Suspects decides which SIP messages over UDP, from a suspect and to it, pass. A suspect
// guesses but cannot be banned: others live at its address, and packets that name it may
// be spoofed. So Suspects rations what a guesser needs, and not what a phone needs:
//
//   - A request without credentials passes: it only gets a challenge.
//   - Credentials that answer a challenge which passed to this address do so until ten
//     of them were refused within a minute, half of them of ports that had to wait
//     (turns.go). A spoofer that sees no responses never has
//     such a challenge, and does not use up the phones' ration. The challenge need
//     not be good any more: the response to the phone has the next one.
//   - Of other credentials ten pass within a minute: anybody can make up the
//     challenge that they answer.
//   - A response passes if it goes to where Asterisk had the request from. Otherwise
//     the request's sender asked for it to be sent elsewhere.
//
// Suspects is pure and bounded. It has no lock: its owner calls it from one goroutine,
// but for Issued.
type Suspects struct {
	seed     maphash.Seed
	nonces   []atomic.Uint64 // by address and nonce: a challenge that passed (stamp)
	requests []admitted
	waiting  []waiting
	budgets  map[netip.Prefix]*budget
	pruned   time.Time // when unused budgets were last forgotten
}

// Ration is how many guesses of a suspect pass within RationPer.
const (
	Ration    = 10
	RationPer = time.Minute
)

const (
	suspectNonces = 1 << 16 // half a MB
	// suspectNonceLasts is longer than phones keep a challenge for their next request.
	suspectNonceLasts = 2 * 3600
	// admittedSlots is room for the requests under way at all suspects.
	admittedSlots = 1 << 12
	// maxBudgets bounds the addresses with a budget of their own. Further ones share
	// one, so that none of them guesses more.
	maxBudgets = 1 << 14
)

// admitted is a request with credentials that passed.
type admitted struct {
	key     uint64 // of its transaction and address
	message uint64 // hash of all its bytes
	at      int64  // milliseconds since 1970
	spent   bool   // one of the ration, which a response may give back
	turn    bool   // … of that for ports that wait
	shared  bool   // a request without credentials was of the same transaction
}

// budget is what a suspect has used: credentials that answered a challenge that passed,
// those of ports that had waited, and others.
type budget struct{ challenged, turns, others ration }

// ration holds the times of the last that passed, in milliseconds since 1970.
type ration struct {
	times [Ration]int64
	next  int
}

// NewSuspects makes a Suspects that has seen nothing.
func NewSuspects() *Suspects {
	return &Suspects{
		seed: maphash.MakeSeed(), nonces: make([]atomic.Uint64, suspectNonces), requests: make([]admitted, admittedSlots), waiting: make([]waiting, waitingSlots),
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
	challenged, turn := ok && s.challenged(now, from.Addr(), r.Nonce), false
	if challenged {
		pass, turn = s.takeChallenged(now, from, b)
	} else {
		pass = b.others.take(now, Ration)
	}
	if !pass {
		return false
	}
	shared := known && slot.shared
	*slot = admitted{key: key, message: hash, at: now.UnixMilli(), spent: challenged && !shared, turn: turn, shared: shared}
	return true
}

// Response says whether a response to a suspect passes. It borrows message.
func (s *Suspects) Response(now time.Time, to netip.AddrPort, message []byte) (pass bool) {
	r, ok := sip.ParseResponse(message)
	if !ok {
		return true
	}
	if goesElsewhere(&r, to) {
		return false
	}
	s.remember(now, to.Addr(), &r)
	if id, ok := r.Transaction(); ok && (r.Status >= 200 || methodOf(id.Method) == Invite) {
		slot := s.slot(to, &id)
		if slot.key == s.key(to, &id) && slot.spent {
			slot.spent = false // one response settles it
			if outcome(&r) != Refused {
				s.budget(now, to).giveBack(slot.turn)
			}
		}
	}
	return true
}

// Issued records a response to an address that need not be a suspect: its phones answer
// the challenges that they have when it becomes one. Any goroutine may call it. It borrows
// message.
func (s *Suspects) Issued(now time.Time, to netip.AddrPort, message []byte) {
	r, ok := sip.ParseResponse(message)
	if ok && (r.Status == 401 || r.Status == 407) && !goesElsewhere(&r, to) {
		s.remember(now, to.Addr(), &r)
	}
}

// remember records the challenges of a response that passes.
func (s *Suspects) remember(now time.Time, to netip.Addr, r *sip.Response) {
	r.Nonces(func(nonce []byte) {
		h := s.nonceHash(to, nonce)
		s.nonces[h%suspectNonces].Store(stamp(h, now))
	})
}

// challenged says whether a nonce passed to this address.
func (s *Suspects) challenged(now time.Time, by netip.Addr, nonce []byte) bool {
	if len(nonce) == 0 {
		return false
	}
	h := s.nonceHash(by, nonce)
	is, want := s.nonces[h%suspectNonces].Load(), stamp(h, now)
	age := (want - is) & stampTime
	return is&^stampTime == want&^stampTime && age < suspectNonceLasts
}

// stampTime is the part of a stamp that is a time: seconds, for half a year.
const stampTime = 1<<24 - 1

// stamp is what a place holds of a nonce: most of its hash, and when it was let out.
func stamp(hash uint64, at time.Time) uint64 {
	return hash&^stampTime | uint64(at.Unix())&stampTime
}

func (s *Suspects) nonceHash(addr netip.Addr, nonce []byte) uint64 {
	h := newHash(s.seed)
	hashAddr(&h, addr)
	h.Write(nonce)
	return h.Sum64()
}

func (s *Suspects) slot(at netip.AddrPort, t *sip.Transaction) *admitted {
	return &s.requests[s.key(at, t)%admittedSlots]
}

// key is that of a transaction at an address: the response may go to another port
// than the request came from (RFC 3581).
func (s *Suspects) key(at netip.AddrPort, t *sip.Transaction) uint64 {
	h := newHash(s.seed)
	hashAddr(&h, at.Addr())
	hashTransaction(&h, t)
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
		if b.others.unused(now) && b.challenged.unused(now) && b.turns.unused(now) {
			delete(s.budgets, key)
		}
	}
}

// giveBack undoes the last take of what answers a challenge that passed.
func (b *budget) giveBack(turn bool) {
	if turn {
		b.turns.giveBack(turnsOf)
	} else {
		b.challenged.giveBack(Ration - turnsOf)
	}
}

// take takes one, if fewer than of, at most Ration, were taken within RationPer.
func (r *ration) take(now time.Time, of int) bool {
	oldest := &r.times[r.next]
	if age := now.UnixMilli() - *oldest; age >= 0 && age < RationPer.Milliseconds() {
		return false
	}
	*oldest = now.UnixMilli()
	r.next = (r.next + 1) % of
	return true
}

// giveBack undoes the last take.
func (r *ration) giveBack(of int) {
	r.next = (r.next + of - 1) % of
	r.times[r.next] = 0
}

func (r *ration) unused(now time.Time) bool {
	return now.UnixMilli()-slices.Max(r.times[:]) >= RationPer.Milliseconds()
}

// mentions says whether a message contains a word, in whatever case: Asterisk may find a
// header that the parser does not.
func mentions(message []byte, word string) bool {
	for i := 0; i+len(word) <= len(message); i++ {
		if message[i]|0x20 == word[0] && bytes.EqualFold(message[i:i+len(word)], []byte(word)) {
			return true
		}
	}
	return false
}
