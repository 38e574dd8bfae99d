package intake

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"net/url"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Wire joins Asterisk's responses over UDP with the requests that they answer, as
// both cross the wire. What counts is where they really come from and go to, not whom
// Asterisk names: with `Via: …;maddr=` and over chan_sip they differ, and some refusals
// raise no event at all.
//
// It is of fixed size. A request takes the place of another, whose response then
// counts for nothing: the other sensors still see the attempt.
type Wire struct {
	seed     maphash.Seed
	requests []request
	named    [namedSlots]mark // addresses that others' requests want the response sent to
}

// request is one that carried credentials. It keeps its place when it is answered, so
// that it counts once though a lossy network has phones send it again.
type request struct {
	key      uint64 // of its transaction
	message  uint64 // hash of all its bytes
	answered bool
	nonce    string
	names    [2]string // by credentials and by From
	from     netip.AddrPort
	at       int64 // milliseconds since 1970
}

const (
	// wireSlots is room for the requests of more than a second of a flood, in 1.5 MB.
	wireSlots = 1 << 14
	// namedSlots is how many addresses named by maddr are distinguished.
	namedSlots = 1 << 10
	// namedLasts is how long one counts after a request has named it, in seconds.
	namedLasts = 600
	// answerWithin is how long the first response to credentials may take: longer
	// than they are sent again (RFC 3261 section 17.1.2.2).
	answerWithin = 32 * time.Second
)

func newWire() *Wire {
	return &Wire{seed: maphash.MakeSeed(), requests: make([]request, wireSlots)}
}

// Request takes a request that arrived. It borrows r. One that is sent again is the same
// byte for byte (RFC 3261 section 17.1.2.2); anything else is another guess, even with
// the same identifiers.
func (w *Wire) Request(now time.Time, from netip.AddrPort, r *sip.Request) {
	if r.AnswerTo.IsValid() && r.AnswerTo != from.Addr().Unmap() {
		h := w.addressKey(r.AnswerTo)
		w.named[h%namedSlots] = mark{h, uint32(now.Unix())}
	}
	if !r.Credentials {
		return
	}
	key := w.key(&r.ID)
	slot, message := &w.requests[key%wireSlots], maphash.Bytes(w.seed, r.Message)
	if slot.key == key && slot.message == message && slot.recent(now) {
		return
	}
	*slot = request{key: key, message: message, nonce: string(r.Nonce), from: from, at: now.UnixMilli()}
	slot.names[0] = userName(r.User)
	if slot.names[1] = slot.names[0]; !bytes.Equal(r.User, r.From) {
		slot.names[1] = userName(r.From)
	}
}

// Outcome is what a response says of the credentials that it answers.
type Outcome uint8

const (
	// Unknown: the response answers no credentials that were seen.
	Unknown Outcome = iota
	// Accepted: they were right.
	Accepted
	// Refused: they were wrong. Whoever sent them has guessed.
	Refused
	// Revealed: the password was right, and the request failed for another reason:
	// its nonce was old or invented (stale=true), or there is nothing at its URI (404).
	// Whoever received this knows the password.
	Revealed
)

// Answer is a response joined with its request.
type Answer struct {
	Outcome Outcome
	Status  int
	To      netip.AddrPort // that it was really sent to
	From    netip.AddrPort // that the request came from
	Names   [2]string      // that the credentials and From give the account; "" for none
	Account string         // that they belong to; for the caller to fill in
	Nonce   string         // that they answer; "" when they name none
	Session []byte         // the Call-ID; borrowed from the response
	Message []byte         // the response; borrowed
}

// SignedIn says that the request did all that signing in takes: nonce and password
// were right. pjsip says which channel driver answered: PJSIP also refuses with 403
// what had the right password.
func (a *Answer) SignedIn(pjsip bool) bool {
	return a.Outcome == Accepted || a.Outcome == Revealed && !a.Stale() || a.Outcome == Refused && a.Status == 403 && pjsip
}

// Stale says that the password was right, but the nonce was not.
func (a *Answer) Stale() bool { return a.Outcome == Revealed && a.Status != 404 }

// Misdirected says that the response went to another address than the request came
// from: the request's sender asked for that, by a Via with maddr.
func (a *Answer) Misdirected() bool { return a.To.Addr().Unmap() != a.From.Addr().Unmap() }

// Response takes a response that leaves for an address.
func (w *Wire) Response(now time.Time, to netip.AddrPort, r *sip.Response) Answer {
	id, ok := r.Transaction()
	if !ok {
		return Answer{}
	}
	key := w.key(&id)
	slot := &w.requests[key%wireSlots]
	if slot.key != key || slot.answered || !slot.recent(now) {
		return Answer{}
	}
	a := Answer{Outcome: outcome(r), Status: r.Status, To: to, From: slot.from, Names: slot.names, Nonce: slot.nonce, Session: id.CallID, Message: r.Message}
	slot.answered = true
	return a
}

// recent says whether the request may still be answered, or sent again.
func (r *request) recent(now time.Time) bool {
	age := now.UnixMilli() - r.at
	return age >= 0 && age <= answerWithin.Milliseconds()
}

func outcome(r *sip.Response) Outcome {
	switch r.Status {
	case 401, 407:
		if r.Stale() {
			return Revealed
		}
		return Refused
	case 403:
		return Refused
	case 404:
		return Revealed
	}
	return Accepted
}

func (w *Wire) key(t *sip.Transaction) uint64 {
	var h maphash.Hash
	h.SetSeed(w.seed)
	h.Write(t.CallID)
	var number [5]byte // with a byte that ends the Call-ID
	binary.BigEndian.PutUint32(number[1:], t.Number)
	h.Write(number[:])
	h.Write(t.Method)
	return h.Sum64()
}

// accused says whether chan_sip, when it names this address over UDP, may mean somebody
// else: a request from elsewhere has wanted its response sent there, and chan_sip takes
// that for the sender (check_via). Guesses of its own the wire shows all the same.
func (w *Wire) accused(now time.Time, addr netip.Addr) bool {
	h := w.addressKey(addr.Unmap())
	m := w.named[h%namedSlots]
	return m.hash == h && younger(now, m.at, namedLasts)
}

func (w *Wire) addressKey(addr netip.Addr) uint64 {
	as16 := addr.As16()
	return max(maphash.Bytes(w.seed, as16[:]), 1)
}

// userName is a user part as Asterisk compares it: percent-decoded.
func userName(user []byte) string {
	if bytes.IndexByte(user, '%') < 0 {
		return string(user)
	}
	decoded, err := url.PathUnescape(string(user))
	if err != nil {
		return string(user)
	}
	return decoded
}

// Missed records that some packets were not seen.
func (in *Intake) Missed(now time.Time) {
	in.Proof.Unseen(now)
	in.Nonces.Missed(now)
}

// Refused makes an observation of a guess that the wire shows: of the address that the
// request came from. Whoever receives a refusal that is misdirected need not have
// asked for it. pjsip says which channel driver answered. news is false when
// another sensor has reported the attempt before. It borrows a.
func (in *Intake) Refused(now time.Time, a *Answer, pjsip bool) (o score.Observation, news bool) {
	e := event.Event{
		Kind: event.ChallengeResponseFailed, Service: serviceSIP, SessionID: a.Session,
		Remote: netip.AddrPortFrom(a.From.Addr().Unmap(), a.From.Port()), Transport: event.UDP,
	}
	if pjsip {
		e.Service = servicePJSIP
	}
	in.failures[SensorWire] = now
	if !in.dedup.first(now, SensorWire, &e) {
		return o, false
	}
	return in.fromWire(now, a, a.From, score.ChallengeResponseFailed, e.Service), true
}

// Revealed makes an observation of a password that the wire shows to be known: to
// whoever receives the response.
func (in *Intake) Revealed(now time.Time, a *Answer) score.Observation {
	return in.fromWire(now, a, a.To, score.SuccessfulAuth, servicePJSIP)
}

func (in *Intake) fromWire(now time.Time, a *Answer, by netip.AddrPort, s score.Signal, service []byte) score.Observation {
	o := score.Observation{
		At: now, Signal: s, Source: by.Addr().Unmap(), Port: by.Port(), Transport: event.UDP,
		Service: service, Account: []byte(a.Account), Session: a.Session, Raw: a.Message,
	}
	if !a.Misdirected() && !in.Proof.suspended(now) && in.Proof.answered(now, o.Source, []byte(a.Nonce)) {
		o.Proof = score.Proven
	}
	return o
}

var servicePJSIP, serviceSIP = []byte("PJSIP"), []byte("SIP")
