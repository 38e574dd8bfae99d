package replay

import (
	"bufio"
	"container/heap"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// Fields of a cdr_csv record (cdr/cdr_csv.c, build_csv_record). The optional
// fields uniqueid and userfield follow.
const (
	cdrSource = 1 + iota
	cdrDialled
	cdrContext
	cdrCallerID
	cdrChannel
	cdrOutChannel
	cdrApp
	cdrData
	cdrStart
	cdrAnswer
	cdrEnd
	cdrDuration
	cdrBilled
	cdrDisposition
	cdrFlags
	cdrUniqueid
	cdrFields = cdrFlags + 1
)

// Bounds of the window in which events are sorted by time: a record is written
// only when its call ends.
const (
	longestCall = 4 * time.Hour
	maxWaiting  = 100_000
)

// records turns the calls of a Master.csv into events: the channel is created,
// dials, is answered and ends.
type records struct {
	in      *bufio.Reader
	file    *File
	zone    *time.Location
	latest  time.Time
	fields  [][]byte
	waiting callHeap
	newest  time.Time // end of the newest record read
	over    bool
	n       uint64
	calls   [64]string // the newest calls: further legs of a call have their own records
}

func newRecords(in *bufio.Reader, file *File, zone *time.Location, latest time.Time) *records {
	return &records{in: in, file: file, zone: zone, latest: latest}
}

func (s *records) next(it *item) error {
	for !s.over && (s.waiting.Len() == 0 || (s.newest.Sub(s.waiting.list[0].at) < longestCall && s.waiting.Len() < maxWaiting)) {
		line, long, err := readLine(s.in)
		if err != nil {
			s.over = true
			if !errors.Is(err, io.EOF) && !errors.Is(err, errCut) {
				s.file.addDamage(err.Error(), nil)
			}
			if len(line) == 0 {
				break
			}
		}
		s.file.Lines++
		if long {
			s.file.addDamage("too long", nil)
			continue
		}
		if why := s.read(line); why != "" {
			s.file.addDamage(why, line)
			continue
		}
		s.file.Read++
	}
	if s.waiting.Len() == 0 {
		return io.EOF
	}
	e := heap.Pop(&s.waiting).(callEvent)
	*it = item{at: e.at, sensor: intake.SensorAMI, event: e.event}
	return nil
}

// read parses one record and says what is wrong with it, or "".
func (s *records) read(line []byte) string {
	var ok bool
	if s.fields, ok = splitCSV(line, s.fields[:0]); !ok {
		return "not CSV"
	}
	if len(s.fields) < cdrFields {
		return "too few fields"
	}
	start, ok := s.time(cdrStart)
	if !ok {
		return "its start is not a valid time"
	}
	end, ok := s.time(cdrEnd)
	if !ok || end.Before(start) {
		return "its end is not a valid time"
	}
	call := event.Event{
		Channel: s.text(cdrChannel), CallerIDNum: s.text(cdrSource), Context: s.text(cdrContext),
		Exten: s.text(cdrDialled), AccountCode: s.text(0),
	}
	call.Uniqueid = call.Channel
	if len(s.fields) > cdrUniqueid && len(s.fields[cdrUniqueid]) > 0 {
		call.Uniqueid = s.text(cdrUniqueid)
	}
	call.Linkedid = call.Uniqueid
	if slices.Contains(s.calls[:], string(call.Uniqueid)) {
		return ""
	}
	s.n++
	s.calls[s.n%uint64(len(s.calls))] = string(call.Uniqueid)
	s.put(start, 0, event.Newchannel, event.StateRing, call)
	answer, answered := s.time(cdrAnswer)
	if answered = answered && !answer.Before(start) && !answer.After(end); answered {
		s.put(answer, 4, event.Newstate, event.StateUp, call)
	}
	if len(s.fields[cdrOutChannel]) > 0 {
		leg := event.Event{Channel: s.text(cdrOutChannel), Linkedid: call.Linkedid}
		leg.Uniqueid = leg.Channel
		s.put(start, 1, event.Newchannel, event.StateDown, leg)
		if answered {
			s.put(answer, 3, event.Newstate, event.StateUp, leg)
		}
		s.put(end, 7, event.Hangup, event.StateUp, leg)
		out := call
		out.DestChannel, out.DestExten, out.DialString = s.text(cdrOutChannel), call.Exten, dialled(s.text(cdrData))
		out.DestUniqueid, out.DestLinkedid = out.DestChannel, call.Linkedid
		s.put(start, 2, event.DialBegin, event.StateRing, out)
		if answered {
			out.DialStatus = []byte("ANSWER")
			s.put(answer, 5, event.DialEnd, event.StateUp, out)
			s.put(answer, 6, event.BridgeEnter, event.StateUp, call)
		}
	}
	s.put(end, 8, event.Hangup, event.StateUp, call)
	if end.After(s.newest) {
		s.newest = end
	}
	return ""
}

// dialled is the first destination of Dial's argument without the technology, such
// as 00442079460001@carrier.
func dialled(data []byte) []byte {
	for i, c := range data {
		if c == ',' || c == '|' || c == '&' {
			data = data[:i]
			break
		}
	}
	for i, c := range data {
		if c == '/' {
			return data[i+1:]
		}
	}
	return data
}

func (s *records) put(at time.Time, order int, kind event.Kind, state event.ChannelState, e event.Event) {
	e.Kind, e.ChannelState = kind, state
	heap.Push(&s.waiting, callEvent{at, s.n, order, e})
}

func (s *records) text(n int) []byte { return append([]byte(nil), s.fields[n]...) }

func (s *records) time(n int) (time.Time, bool) {
	at, err := time.ParseInLocation(time.DateTime, string(s.fields[n]), s.zone)
	return at, err == nil && !at.After(s.latest.AddDate(0, 0, 1))
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

// splitCSV splits a line of CSV and appends its fields to to. The fields are
// slices of line, except those with escaped quotes. ok is false when a quote is
// not closed.
func splitCSV(line []byte, to [][]byte) (fields [][]byte, ok bool) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	for {
		if len(line) == 0 || line[0] != '"' {
			end := 0
			for end < len(line) && line[end] != ',' {
				end++
			}
			to = append(to, line[:end])
			if end == len(line) {
				return to, true
			}
			line = line[end+1:]
			continue
		}
		var field []byte
		doubled := false
		i := 1
		for ; ; i++ {
			if i >= len(line) {
				return to, false
			}
			if line[i] != '"' {
				if doubled {
					field = append(field, line[i])
				}
				continue
			}
			if i+1 < len(line) && line[i+1] == '"' {
				if !doubled {
					doubled, field = true, append(field, line[1:i]...)
				}
				field = append(field, '"')
				i++
				continue
			}
			break
		}
		if !doubled {
			field = line[1:i]
		}
		to = append(to, field)
		line = line[i+1:]
		if len(line) == 0 {
			return to, true
		}
		if line[0] != ',' {
			return to, false
		}
		line = line[1:]
	}
}
