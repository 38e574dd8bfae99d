package intake

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"net/url"
	"slices"
	"strings"
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
// A sender can write a request so that Asterisk reads it and this package does not,
// or reads something else: the channel drivers accept more than phones send. So a
// refusal that answers no request counts as one of a guess.
//
// It is of fixed size. A request takes the place of another, whose response then
// counts at most once too often.
type Wire struct {
	seed     maphash.Seed
	requests []request
	whole    time.Time // since when every request is seen
	accepted accepted
	dialogs  []mark           // by Call-ID: a challenge was sent in it
	named    [namedSlots]mark // addresses that others' requests want the response sent to
}

// request is one that arrived, or several in one transaction. It keeps its place when
// it is answered, so that it counts once though a lossy network has phones send it
// again.
type request struct {
	key     uint64 // of its transaction
	message uint64 // hash of all bytes of the last one
	answer  uint64 // the same of the last response
	guesses uint32 // with credentials, that are not answered
	others  uint32 // without, or sent again
	several bool   // there was more than one
	trying  bool   // the last one is an INVITE that got a provisional response
	repeats uint8  // of the last response, that nobody asked for
	nonce   string
	user    string // of the credentials
	method  string
	from    netip.AddrPort
	at      int64 // milliseconds since 1970
}

// Names are the accounts that a request may be for; "" where it names none.
// Which of them it is depends on the channel driver. From and To are those of the
// response, as Asterisk read them; User is that of the credentials.
type Names struct{ From, To, User string }

const (
	// wireSlots is room for the requests of more than a second of a flood, in 2 MB.
	wireSlots = 1 << 14
	// dialogSlots is room for the dialogs of a busy day, in 1 MB.
	dialogSlots = 1 << 16
	// namedSlots is how many addresses named by maddr are distinguished.
	namedSlots = 1 << 10
	// namedLasts is how long one counts after a request has named it, in seconds.
	namedLasts = 600
	// answerWithin is how long the first response to credentials may take: longer
	// than they are sent again (RFC 3261 section 17.1.2.2).
	answerWithin = 32 * time.Second
	// sentAgain is how often chan_sip sends its response to an INVITE again, until that
	// is acknowledged (RFC 3261 section 17.2.1). PJSIP sends none of a refusal.
	sentAgain = 10
	// blindFor is how long after a start, or after packets were missed, a refusal may
	// answer a request that was not seen.
	blindFor = 250 * time.Millisecond
)

func newWire() *Wire {
	return &Wire{seed: maphash.MakeSeed(), requests: make([]request, wireSlots), dialogs: make([]mark, dialogSlots)}
}

// Request takes a request that arrived. It borrows r. One that is sent again is the same
// byte for byte (RFC 3261 section 17.1.2.2); anything else is another guess, even with
// the same identifiers.
func (w *Wire) Request(now time.Time, from netip.AddrPort, r *sip.Request) {
	if r.AnswerTo.IsValid() && r.AnswerTo != from.Addr().Unmap() {
		h := w.addressKey(r.AnswerTo)
		w.named[h%namedSlots] = mark{h, uint32(now.Unix())}
	}
	key := w.key(&r.ID)
	slot, message := &w.requests[key%wireSlots], maphash.Bytes(w.seed, r.Message)
	if slot.key != key || !slot.recent(now) {
		*slot = request{key: key, at: now.UnixMilli()}
	}
	again := slot.message == message
	slot.several = slot.message != 0
	slot.trying = slot.trying && again
	slot.message, slot.at, slot.method = message, now.UnixMilli(), methodOf(r.Method)
	if again || !r.Credentials {
		// What is not answered for certain makes no room for the answer to another.
		if bytes.EqualFold(r.Method, r.ID.Method) && !bytes.EqualFold(r.Method, ack) {
			slot.others++
		}
		return
	}
	slot.guesses++
	slot.nonce, slot.user, slot.from = string(r.Nonce), userName(r.User), from
}

// Unseen records that some packets were missed, such as those before the start.
func (w *Wire) Unseen(now time.Time) { w.whole = now.Add(blindFor) }

// Outcome is what a response says of the credentials that it answers.
type Outcome uint8

const (
	// Unknown: the response says nothing of credentials.
	Unknown Outcome = iota
	// Refused: they were wrong. Whoever sent them has guessed.
	Refused
	// Accepted: they were right, or they were not looked at.
	Accepted
	// Revealed: the password was right, and the request failed because its nonce was
	// old or invented (stale=true). Whoever received this knows the password.
	Revealed
	// Unasked: there were none, or they were not looked at, and it is accepted.
	Unasked
)

// Answer is a response joined with its request.
type Answer struct {
	Outcome Outcome
	Hidden  bool // no request was seen that it answers, or not all of it
	Status  int
	Method  string         // of the request, or of CSeq if it is hidden: one of those below, or ""
	To      netip.AddrPort // that the response was really sent to
	From    netip.AddrPort // that the request came from; To if it is hidden
	// First says that this is the first challenge in its dialog. chan_sip sends that
	// without a look at credentials, such as those that a phone keeps from its last call
	// (check_auth).
	First bool
	// Misdirected says that the response went to another address than the request
	// came from: the request's sender asked for that, by a Via with maddr.
	Misdirected bool
	Names       Names
	Account     string // that they belong to; for the caller to fill in
	Nonce       string // that the credentials answer; "" when they name none
	Session     []byte // the Call-ID; borrowed from the response
	Message     []byte // the response; borrowed
}

// SignedIn says that the request did all that signing in takes: nonce and password
// were right. Other methods and other statuses may be answered before they are looked
// at; a number that does not exist is not.
func (a *Answer) SignedIn() bool {
	success := a.Status/100 == 2 && a.Method != ""
	return a.Outcome == Accepted && (success || a.Status == 404 && a.Method == Invite)
}

// Response takes a response that leaves for an address.
func (w *Wire) Response(now time.Time, to netip.AddrPort, r *sip.Response) Answer {
	if r.Status < 200 {
		w.provisional(now, r)
		return Answer{}
	}
	message := maphash.Bytes(w.seed, r.Message)
	key := message
	id, ok := r.Transaction()
	if ok { // otherwise its request was not read, either
		key = w.key(&id)
	}
	opens := ok && (r.Status == 401 || r.Status == 407) && w.opens(now, id.CallID)
	slot := &w.requests[key%wireSlots]
	if slot.key != key || !slot.recent(now) {
		*slot = request{key: key, at: now.UnixMilli()}
	}
	again, first := slot.answer == message, slot.answer == 0 && !slot.several
	slot.answer = message
	a := Answer{Outcome: outcome(r), Status: r.Status, To: to, From: to, Session: id.CallID, Message: r.Message}
	a.Method = cmp.Or(slot.method, methodOf(id.Method))
	if slot.trying && a.Outcome == Refused {
		a.Outcome = Accepted // the call was refused, by the dialplan or whoever was called
	}
	if r.Status/100 == 2 && a.Method == Register && !again {
		w.accepted.add(now, to)
		if slot.guesses == 0 || !first {
			a.Outcome = Unasked
		}
	}
	switch {
	case slot.guesses > 0:
		slot.guesses--
		a.From, a.Names.User, a.Nonce = slot.from, slot.user, slot.nonce
		a.Hidden = r.Forged()
	case slot.others > 0 && !r.Forged():
		slot.others--
		if a.Outcome != Unasked {
			return Answer{}
		}
	case a.Outcome == Accepted || now.Before(w.whole):
		return Answer{}
	case again && a.Method == Invite && slot.repeats < sentAgain:
		slot.repeats++
		return Answer{}
	default:
		a.Hidden = true
	}
	a.Misdirected, a.First = misdirected(&a, r), opens
	fromUser, toUser := r.Names()
	a.Names.From, a.Names.To = userName(fromUser), userName(toUser)
	return a
}

// Registered says whether a phone at this address and port has just registered: the event
// that says so may come later.
func (w *Wire) Registered(now time.Time, at netip.AddrPort) bool { return w.accepted.has(now, at) }

// opens says whether a challenge is the first that is seen in its dialog.
func (w *Wire) opens(now time.Time, callID []byte) bool {
	h := max(maphash.Bytes(w.seed, callID), 1)
	m := &w.dialogs[h%dialogSlots]
	first := m.hash != h
	*m = mark{h, uint32(now.Unix())}
	return first
}

// provisional takes a provisional response. Both channel drivers send one to an INVITE
// only after they have looked at its credentials.
func (w *Wire) provisional(now time.Time, r *sip.Response) {
	id, ok := r.Transaction()
	if !ok || r.Forged() || methodOf(id.Method) != Invite {
		return
	}
	key := w.key(&id)
	if slot := &w.requests[key%wireSlots]; slot.key == key && slot.recent(now) && slot.method == Invite {
		slot.trying = true
	}
}

// misdirected says whether a response goes elsewhere than its request came from. If
// that was not seen, Asterisk says in the response where it was from, but so may its
// sender.
func misdirected(a *Answer, r *sip.Response) bool {
	to := a.To.Addr().Unmap()
	if a.From.Addr().Unmap() != to {
		return true
	}
	return a.Hidden && slices.ContainsFunc(r.ReceivedOnTop(), func(from netip.Addr) bool { return from != to })
}

// The methods that are told apart.
const Register, Invite, Subscribe = "REGISTER", "INVITE", "SUBSCRIBE"

// methodOf is one of these, or "" for another.
func methodOf(method []byte) string {
	for _, m := range [...]string{Register, Invite, Subscribe} {
		if strings.EqualFold(m, string(method)) {
			return m
		}
	}
	return ""
}

// recent says whether the request may still be answered, or sent again.
func (r *request) recent(now time.Time) bool {
	age := now.UnixMilli() - r.at
	return age >= 0 && age <= answerWithin.Milliseconds()
}

func outcome(r *sip.Response) Outcome {
	if r.Policy() {
		return Accepted
	}
	switch r.Status {
	case 401, 407:
		if r.Stale() {
			return Revealed
		}
		return Refused
	case 403:
		return Refused
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
	for _, c := range t.Method { // PJSIP writes those it knows in capitals
		h.WriteByte(c &^ 0x20)
	}
	return max(h.Sum64(), 1)
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
	if !a.Misdirected && !in.Proof.suspended(now) && in.Proof.answered(now, o.Source, []byte(a.Nonce)) {
		o.Proof = score.Proven
	}
	return o
}

var (
	servicePJSIP, serviceSIP = []byte("PJSIP"), []byte("SIP")
	ack                      = []byte("ACK")
)
