package replay

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// Bounds of the window in which events are sorted by time: a record is written
// only when its call ends.
const (
	longestCall = 4 * time.Hour
	maxWaiting  = 100_000
)

// records turns calls of the past into events: the channel is created, dials, is
// answered and ends.
type records struct {
	in      cdr.Reader
	file    *File
	record  cdr.Record
	waiting callHeap
	newest  time.Time // end of the newest record read
	over    bool
	n       uint64
	calls   [64]string // the newest calls: further legs of a call have their own records
}

func newRecords(in cdr.Reader, file *File) *records { return &records{in: in, file: file} }

func (s *records) next(it *item) error {
	for !s.over && (s.waiting.Len() == 0 || (s.newest.Sub(s.waiting.list[0].at) < longestCall && s.waiting.Len() < maxWaiting)) {
		switch s.over = !s.file.record(s.in, &s.record); {
		case s.over:
		case !s.record.Start.IsZero():
			s.play(&s.record)
		}
	}
	if s.waiting.Len() == 0 {
		return io.EOF
	}
	e := heap.Pop(&s.waiting).(callEvent)
	*it = item{at: e.at, sensor: intake.SensorAMI, event: e.event}
	return nil
}

// record reads the next record of a file, and counts it. It leaves the zero Record if
// that is damaged. more is false at the end.
func (f *File) record(in cdr.Reader, r *cdr.Record) (more bool) {
	*r = cdr.Record{}
	err := in.Next(r)
	if errors.Is(err, io.EOF) {
		return false
	}
	f.Lines++
	var bad *cdr.BadRow
	switch {
	case errors.As(err, &bad):
		*r = cdr.Record{}
		f.Lines = max(f.Lines, bad.Line)
		f.addDamage(bad.Why, bad.Text)
	case err != nil:
		f.addDamage(err.Error(), nil)
		return false
	default:
		f.Read++
	}
	return true
}

// note notes what of a record is not understood.
func (s *records) note(r *cdr.Record) {
	if len(r.Caller()) == 0 && len(r.Channel) > 0 && !bytes.HasPrefix(r.Channel, []byte("Local/")) {
		s.file.addNote("calls from a channel that names no extension: they are judged as those of the PBX itself or of a trunk", r.Channel)
	}
	if len(r.OutChannel) > 0 && len(r.Data) > 0 && len(r.Destination()) == 0 {
		s.file.addNote("calls whose destination is in no known form: they are judged by what was dialled", r.Data)
	}
}

// channelName is the name of a channel as Asterisk writes it: exports may have renumbered
// those of IAX2.
func channelName(name []byte) []byte {
	if _, _, ok := event.SplitChannel(name); ok {
		return bytes.Clone(name)
	}
	tech, account, ok := cdr.SplitChannel(name)
	if !ok {
		return bytes.Clone(name)
	}
	n, _ := strconv.ParseUint(string(name[len(tech)+len(account)+2:]), 16, 64)
	return fmt.Appendf(nil, "%s/%s-%d", tech, account, n%100_000)
}

// play adds the events of a record.
func (s *records) play(r *cdr.Record) {
	s.note(r)
	call := event.Event{
		Channel: channelName(r.Channel), CallerIDNum: bytes.Clone(r.Source), Context: bytes.Clone(r.Context),
		Exten: bytes.Clone(r.Dialled), AccountCode: bytes.Clone(r.AccountCode),
	}
	call.Uniqueid = call.Channel
	if len(r.Uniqueid) > 0 {
		call.Uniqueid = bytes.Clone(r.Uniqueid)
	}
	call.Linkedid = call.Uniqueid
	if slices.Contains(s.calls[:], string(call.Uniqueid)) {
		return
	}
	s.n++
	s.calls[s.n%uint64(len(s.calls))] = string(call.Uniqueid)
	s.put(r.Start, 0, event.Newchannel, event.StateRing, call)
	if r.Answered() {
		s.put(r.Answer, 4, event.Newstate, event.StateUp, call)
	}
	if len(r.OutChannel) > 0 {
		leg := event.Event{Channel: channelName(r.OutChannel), Linkedid: call.Linkedid}
		leg.Uniqueid = leg.Channel
		s.put(r.Start, 1, event.Newchannel, event.StateDown, leg)
		if r.Answered() {
			s.put(r.Answer, 3, event.Newstate, event.StateUp, leg)
		}
		s.put(r.End, 7, event.Hangup, event.StateUp, leg)
		out := call
		out.DestChannel, out.DestExten, out.DialString = leg.Channel, call.Exten, bytes.Clone(r.Destination())
		out.DestUniqueid, out.DestLinkedid = out.DestChannel, call.Linkedid
		s.put(r.Start, 2, event.DialBegin, event.StateRing, out)
		if r.Answered() {
			out.DialStatus = []byte("ANSWER")
			s.put(r.Answer, 5, event.DialEnd, event.StateUp, out)
			s.put(r.Answer, 6, event.BridgeEnter, event.StateUp, call)
		}
	}
	s.put(r.End, 8, event.Hangup, event.StateUp, call)
	if r.End.After(s.newest) {
		s.newest = r.End
	}
}

func (s *records) put(at time.Time, order int, kind event.Kind, state event.ChannelState, e event.Event) {
	e.Kind, e.ChannelState = kind, state
	heap.Push(&s.waiting, callEvent{at, s.n, order, e})
}

type callEvent struct {
	at    time.Time
	call  uint64
	order int
	event event.Event
}

// callHeap has the earliest event first.
type callHeap struct{ list []callEvent }

func (h *callHeap) Len() int { return len(h.list) }

func (h *callHeap) Less(i, j int) bool {
	x, y := &h.list[i], &h.list[j]
	if c := x.at.Compare(y.at); c != 0 {
		return c < 0
	}
	if x.call != y.call {
		return x.call < y.call
	}
	return x.order < y.order
}
func (h *callHeap) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *callHeap) Push(x any)    { h.list = append(h.list, x.(callEvent)) }

func (h *callHeap) Pop() any {
	last := h.list[len(h.list)-1]
	h.list[len(h.list)-1] = callEvent{}
	h.list = h.list[:len(h.list)-1]
	return last
}
