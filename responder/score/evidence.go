package score

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

const (
	noteText = 44           // bytes of text in a note
	noteCut  = noteText - 4 // the same if the last four bytes link to a continuation
	maxText  = 16 + maxAccount + MaxSession
)

// note is an observation kept as evidence. It is stored once and linked into the lists
// of its source, network and account. Its text is the address (4 or 16 bytes), the
// account and the session. Text that does not fit continues in further notes, of which
// only the text is used.
type note struct {
	at      int64              // µs since 1970 on the caller's wall clock
	next    [PerAccount]uint32 // the next newer note, by kind of key; the newest links to the oldest
	port    uint16
	signal  Signal
	source  uint8 // length of the address
	account uint8 // length of the account
	session uint8 // length of the session
	how     uint8 // transport<<1 | proof
	keys    uint8 // number of lists that contain it
	text    [noteText]byte
}

// evidence is the bounded store of notes of all keys.
//
// The store has room for one note for each key of a full table, so every key can
// always keep one. Further notes and long texts are taken from spare, half of which
// is reserved for keys that have come half way to a threshold. If spare is used up, a
// key drops its oldest note for a new one, and long texts are cut. Other keys lose
// nothing, so a flood cannot displace the evidence of a key that stays tracked.
type evidence struct {
	notes   slab[note]
	free    uint32 // list of free notes, by next[0]
	used    int
	spare   int // notes still available beyond one per key
	reserve int // part of spare that is reserved for dangerous keys
	perKey  uint8
	short   uint64 // times that spare was exhausted
	scratch [maxText]byte
}

// trail is a key's list of notes.
type trail struct {
	newest uint32
	kept   uint8
}

// write stores an observation and returns the number of its note, or 0 if keys is 0.
// makeRoom must have made room in the trails of the keys; thread then links the note.
func (e *evidence) write(o *Observation, keys int) uint32 {
	if keys == 0 {
		return 0
	}
	text := e.pack(o)
	first := e.take()
	n := e.notes.at(first)
	address, account := len(text.address), len(text.account)
	n.at = o.At.UnixMicro()
	n.port, n.signal = o.Port, o.Signal
	n.source, n.account, n.session = uint8(address), uint8(account), uint8(len(text.all)-address-account)
	n.how = uint8(o.Transport)<<1 | uint8(o.Proof&1)
	n.keys = uint8(keys)
	for rest := text.all; ; {
		if len(rest) <= noteText {
			copy(n.text[:], rest)
			return first
		}
		copy(n.text[:noteCut], rest[:noteCut])
		rest = rest[noteCut:]
		more := e.take()
		e.spare--
		binary.LittleEndian.PutUint32(n.text[noteCut:], more)
		n = e.notes.at(more)
	}
}

type packed struct{ all, address, account []byte }

// pack lays out the text of a note, cut to the notes that are available.
func (e *evidence) pack(o *Observation) packed {
	b := e.scratch[:0]
	switch a := o.Source.Unmap(); {
	case a.Is4():
		raw := a.As4()
		b = append(b, raw[:]...)
	case a.Is6():
		raw := a.As16()
		b = append(b, raw[:]...)
	}
	address := len(b)
	b = append(b, limit(o.Account, maxAccount)...)
	account := len(b)
	b = append(b, limit(o.Session, MaxSession)...)
	if more, left := continuations(len(b)), max(e.spare-e.reserve, 0); more > left {
		e.short++
		b = b[:noteText+left*noteCut]
		account = min(account, len(b))
	}
	return packed{all: b, address: b[:address], account: b[address:account]}
}

// continuations returns how many notes a text needs beyond the first.
func continuations(text int) int {
	if text <= noteText {
		return 0
	}
	return (text - noteText + noteCut - 1) / noteCut
}

// makeRoom makes room for one more note in the trail of a key.
func (e *evidence) makeRoom(t *trail, per Per, dangerous bool) {
	if t.kept == 0 {
		return
	}
	left := e.spare
	if !dangerous {
		left -= e.reserve
	}
	if left <= 0 {
		e.short++
	}
	if t.kept >= e.perKey || left <= 0 {
		e.dropOldest(t, per)
	}
	if t.kept > 0 {
		e.spare--
	}
}

// thread makes note i the newest of a trail.
func (e *evidence) thread(t *trail, per Per, i uint32) {
	n := e.notes.at(i)
	if t.kept == 0 {
		n.next[per-1] = i
	} else {
		last := e.notes.at(t.newest)
		n.next[per-1] = last.next[per-1]
		last.next[per-1] = i
	}
	t.newest = i
	t.kept++
}

func (e *evidence) dropOldest(t *trail, per Per) {
	last := e.notes.at(t.newest)
	oldest := last.next[per-1]
	n := e.notes.at(oldest)
	last.next[per-1] = n.next[per-1]
	t.kept--
	if t.kept == 0 {
		t.newest = 0
	} else {
		e.spare++
	}
	if n.keys--; n.keys == 0 {
		e.give(oldest)
	}
}

// drop removes a whole trail.
func (e *evidence) drop(t *trail, per Per) {
	for t.kept > 0 {
		e.dropOldest(t, per)
	}
}

func (e *evidence) take() uint32 {
	e.used++
	if i := e.free; i != 0 {
		e.free = e.notes.at(i).next[0]
		return i
	}
	return e.notes.grow()
}

func (e *evidence) give(i uint32) {
	more := continuations(e.notes.at(i).length())
	for {
		n := e.notes.at(i)
		after := binary.LittleEndian.Uint32(n.text[noteCut:])
		n.next[0] = e.free
		e.free = i
		e.used--
		if more == 0 {
			return
		}
		more--
		e.spare++
		i = after
	}
}

func (n *note) length() int { return int(n.source) + int(n.account) + int(n.session) }

// records returns a copy of a trail, the oldest first.
func (e *evidence) records(t trail, per Per) []Record {
	if t.kept == 0 {
		return nil
	}
	all := make([]Record, 0, t.kept)
	for i := e.notes.at(t.newest).next[per-1]; ; i = e.notes.at(i).next[per-1] {
		all = append(all, e.read(i))
		if i == t.newest {
			return all
		}
	}
}

func (e *evidence) read(i uint32) Record {
	n := e.notes.at(i)
	r := Record{
		At: time.UnixMicro(n.at).UTC(), Signal: n.signal, Port: n.port,
		Transport: event.Transport(n.how >> 1), Proof: Proof(n.how & 1),
	}
	text := e.scratch[:0]
	for left := n.length(); ; {
		if left <= noteText {
			text = append(text, n.text[:left]...)
			break
		}
		more := binary.LittleEndian.Uint32(n.text[noteCut:])
		text = append(text, n.text[:noteCut]...)
		left -= noteCut
		n = e.notes.at(more)
	}
	n = e.notes.at(i)
	r.Source, _ = netip.AddrFromSlice(text[:n.source])
	text = text[n.source:]
	r.Account, r.Session = string(text[:n.account]), string(text[n.account:])
	return r
}

// Observations returns all observations kept as evidence, the oldest first and each
// once. They can be replayed into a table with other thresholds.
func (t *Table) Observations() []Observation {
	seen := make(map[uint32]struct{}, t.evidence.used)
	all := make([]Observation, 0, t.evidence.used)
	for _, k := range slices.Backward(t.spaces[:]) { // accounts first, because they show the service
		if k == nil {
			continue
		}
		for r := range k.queues {
			for i := k.queues[r].newest; i != 0; i = k.entries.at(i).prev {
				var service []byte
				if k.per == PerAccount && bytes.HasPrefix(k.names.at(i).bytes(), []byte(ManagerAccounts)) {
					service = []byte("AMI")
				}
				trail := k.entries.at(i).trail()
				n := trail.newest
				for range trail.kept {
					n = t.evidence.notes.at(n).next[k.per-1]
					if _, ok := seen[n]; ok {
						continue
					}
					seen[n] = struct{}{}
					o := t.evidence.read(n).observation()
					o.Service = service
					all = append(all, o)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Observation) int { return a.At.Compare(b.At) })
	return all
}

func (r Record) observation() Observation {
	return Observation{
		At: r.At, Signal: r.Signal, Source: r.Source, Port: r.Port, Transport: r.Transport, Proof: r.Proof,
		Account: []byte(r.Account), Session: []byte(r.Session),
	}
}

// FailuresOf returns the failures for an account.
func FailuresOf(records []Record, account string) (list []Record) {
	for _, r := range records {
		if r.Account == account && r.Signal.Failure() {
			list = append(list, r)
		}
	}
	return list
}
