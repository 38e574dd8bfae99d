package intake

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Wire joins Asterisk's responses over UDP with the requests that they answer. It goes
// by where packets really come from and go to, not by the address that Asterisk names:
// with `Via: …;maddr=` and with chan_sip they differ, and some refusals raise no event.
//
// The channel drivers accept more than phones send, so a sender can write a request that
// Asterisk reads and this package does not, or not in the same way. So a refusal without
// a request counts as that of a guess.
//
// Its tables have a fixed size. If a request replaces another one, the response to that
// counts at most once too often.
type Wire struct {
	seed     maphash.Seed
	requests []request
	whole    time.Time // since when every request is seen
	accepted accepted
	dialogs  []mark             // by Call-ID: a challenge was sent in it
	bound    [boundSlots]uint64 // dialogs of chan_sip that have registered a phone, by Call-ID
	named    [namedSlots]mark   // addresses that others' requests want the response sent to
}

// request is one that arrived, or several in one transaction. It stays when it is
// answered, so that one that a phone sends again counts once.
type request struct {
	key     uint64 // of its transaction
	message uint64 // hash of all bytes of the last one
	answer  uint64 // the same of the last response
	guesses uint32 // with credentials, not answered yet
	others  uint32 // without credentials, or sent again; not answered yet
	several bool   // there was more than one
	trying  bool   // the last one is an INVITE that got a provisional response
	repeats uint8  // of the last response, sent again without a request
	nonce   string
	user    string // of the credentials
	method  string
	from    netip.AddrPort
	at      int64 // milliseconds since 1970
}

const (
	// wireSlots is room for the requests of more than a second of a flood, in 2 MB.
	wireSlots = 1 << 14
	// dialogSlots is room for the dialogs of a busy day, in 1 MB.
	dialogSlots = 1 << 16
	// namedSlots is how many addresses named by maddr are distinguished.
	namedSlots = 1 << 10
	// boundSlots is how many dialogs that have registered a phone are distinguished.
	boundSlots = 1 << 12
	// namedLasts is how long one counts after a request has named it, in seconds.
	namedLasts = 600
	// answerWithin is how long the first response to credentials may take: longer
	// than they are sent again (RFC 3261 section 17.1.2.2).
	answerWithin = 32 * time.Second
	// sentAgain is how often chan_sip sends a response to an INVITE again until it is
	// acknowledged (RFC 3261 section 17.2.1). PJSIP sends no refusal again.
	sentAgain = 10
	// blindFor is how long after a start, or after packets were missed, a refusal may
	// answer a request that was not seen.
	blindFor = 250 * time.Millisecond
)

func newWire() *Wire {
	return &Wire{seed: maphash.MakeSeed(), requests: make([]request, wireSlots), dialogs: make([]mark, dialogSlots)}
}

// Request records a request that arrived. It borrows r. A request that is sent again is
// the same, byte for byte (RFC 3261 section 17.1.2.2); anything else is another guess,
// even with the same identifiers. guess says that it has credentials and is not sent
// again.
func (w *Wire) Request(now time.Time, from netip.AddrPort, r *sip.Request) (guess bool) {
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
		// Asterisk might not answer these: they must not excuse a refusal of another.
		if bytes.EqualFold(r.Method, r.ID.Method) && !bytes.EqualFold(r.Method, ack) {
			slot.others++
		}
		return false
	}
	slot.guesses++
	slot.nonce, slot.user, slot.from = string(r.Nonce), string(event.UnescapeUser(r.User)), from
	return true
}

// Unseen records that some packets were missed, such as those before the start.
func (w *Wire) Unseen(now time.Time) { w.whole = now.Add(blindFor) }

// Response joins a response that leaves for an address with its request. It borrows r,
// and so does the Answer.
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
		if w.unasked(r, id.CallID, first && slot.guesses > 0) {
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
	// If the request was not seen, Asterisk says in the response where it was from, but
	// so may its sender.
	a.Misdirected = a.From.Addr().Unmap() != to.Addr().Unmap() || a.Hidden && goesElsewhere(r, to)
	a.First = opens
	fromUser, toUser := r.Names()
	a.Names.From, a.Names.To = string(event.UnescapeUser(fromUser)), string(event.UnescapeUser(toUser))
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

// provisional records a provisional response. Both channel drivers send one to an INVITE
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

// goesElsewhere says whether a response goes to another address than Asterisk had the
// request from, or than the request's sender wrote.
func goesElsewhere(r *sip.Response, to netip.AddrPort) bool {
	return slices.ContainsFunc(r.ReceivedOnTop(), func(from netip.Addr) bool { return from != to.Addr().Unmap() })
}

// unasked says whether a REGISTER is accepted for which no password was asked. plain
// means that the response is the first in its transaction, and that there were
// credentials.
//
// chan_sip tells in its response for how long the phone is registered now
// (respprep). What it accepts without a password ends a registration and leaves that
// at 0, unless the dialog has registered a phone before (register_verify). Nothing else
// tells for certain: it takes a request for one that is sent again by the number in
// CSeq alone, and for as long as the dialog lives. So a REGISTER that ends a
// registration is never taken for a login.
func (w *Wire) unasked(r *sip.Response, callID []byte, plain bool) bool {
	seconds, told := r.Expires()
	if told && seconds == 0 {
		return true
	}
	h := max(maphash.Bytes(w.seed, callID), 1)
	before := w.bound[h%boundSlots] == h
	if told {
		w.bound[h%boundSlots] = h
	}
	return !plain && (before || !told)
}

// recent says whether the request may still be answered, or sent again.
func (r *request) recent(now time.Time) bool {
	age := now.UnixMilli() - r.at
	return age >= 0 && age <= answerWithin.Milliseconds()
}

func (w *Wire) key(t *sip.Transaction) uint64 {
	h := newHash(w.seed)
	hashTransaction(&h, t)
	return max(h.Sum64(), 1)
}

// accused says whether chan_sip may name this address for somebody else's request: one
// from elsewhere wanted its response sent there, and chan_sip takes that for its sender
// (check_via). The wire shows the address's own guesses all the same.
func (w *Wire) accused(now time.Time, addr netip.Addr) bool {
	h := w.addressKey(addr.Unmap())
	m := w.named[h%namedSlots]
	return m.hash == h && younger(now, m.at, namedLasts)
}

func (w *Wire) addressKey(addr netip.Addr) uint64 {
	h := newHash(w.seed)
	hashAddr(&h, addr)
	return max(h.Sum64(), 1)
}

var (
	servicePJSIP, serviceSIP = []byte("PJSIP"), []byte("SIP")
	ack                      = []byte("ACK")
)
