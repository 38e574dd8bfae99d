package cdr

import (
	"bytes"
	"time"
)

// Bounds of what is kept of calls whose end has not been read yet.
const (
	maxOpen     = 10_000
	maxChannels = 64 // of one call
)

// isCELType reports whether a field is the name of a channel event (main/cel.c).
func isCELType(field []byte) bool {
	switch string(field) {
	case "CHAN_START", "CHAN_END", "ANSWER", "HANGUP", "APP_START", "APP_END", "BRIDGE_ENTER", "BRIDGE_EXIT", "PARK_START", "PARK_END",
		"BLINDTRANSFER", "ATTENDEDTRANSFER", "USER_DEFINED", "LINKEDID_END", "PICKUP", "FORWARD", "LOCAL_OPTIMIZE", "LOCAL_OPTIMIZE_BEGIN", "STREAM_BEGIN", "STREAM_END", "DTMF":
		return true
	}
	return false
}

// eventCalls joins the events of channels into records of calls.
type eventCalls struct {
	open  map[string]*eventCall // by linkedid
	order []string              // as they began
	ready []Record
}

// eventCall is a call whose events are being read. The first channel is the caller's.
type eventCall struct {
	record   Record
	channels []eventChannel
	last     time.Time
}

type eventChannel struct {
	uniqueid, name string
	answer, end    time.Time
}

// add takes an event, and says what is wrong with it.
func (e *eventCalls) add(l *layout, fields [][]byte, clock *clock) string {
	at, ok := clock.time(l.field(fields, celTime))
	if !ok {
		return "its time is not valid"
	}
	linkedid, uniqueid := string(l.field(fields, linkedid)), string(l.field(fields, uniqueid))
	if linkedid == "" || uniqueid == "" {
		return "it names no call"
	}
	call := e.open[linkedid]
	if call == nil {
		if string(l.field(fields, celType)) != "CHAN_START" {
			return "" // of a call that began before the file
		}
		call = e.begin(linkedid, at, l, fields)
	}
	call.last = at
	call.note(string(l.field(fields, celType)), uniqueid, at, l, fields)
	if call.over() {
		e.finish(linkedid)
	}
	return ""
}

func (e *eventCalls) begin(id string, at time.Time, l *layout, fields [][]byte) *eventCall {
	if e.open == nil {
		e.open = map[string]*eventCall{}
	}
	for len(e.open) >= maxOpen {
		e.finish(e.order[0])
	}
	clone := func(c column) []byte { return bytes.Clone(l.field(fields, c)) }
	call := &eventCall{record: Record{
		AccountCode: clone(accountCode), Source: clone(source), Dialled: clone(celExten), Context: clone(context), Channel: clone(channel), Uniqueid: clone(uniqueid), Start: at,
	}}
	e.open[id] = call
	e.order = append(e.order, id)
	return call
}

// note takes an event of the call.
func (c *eventCall) note(kind, uniqueid string, at time.Time, l *layout, fields [][]byte) {
	n := -1
	for i := range c.channels {
		if c.channels[i].uniqueid == uniqueid {
			n = i
		}
	}
	if kind == "CHAN_START" && n < 0 && len(c.channels) < maxChannels {
		c.channels = append(c.channels, eventChannel{uniqueid: uniqueid, name: string(l.field(fields, channel))})
		return
	}
	if n < 0 {
		return
	}
	switch kind {
	case "ANSWER":
		if c.channels[n].answer.IsZero() {
			c.channels[n].answer = at
		}
	case "CHAN_END":
		c.channels[n].end = at
	case "APP_START":
		if app := string(l.field(fields, celApp)); n == 0 && (app == "Dial" || app == "Queue") {
			c.record.Data = bytes.Clone(l.field(fields, data))
			if app == "Queue" {
				c.record.Data = nil
			}
		}
	}
	if n == 0 && len(c.record.Source) == 0 {
		c.record.Source = bytes.Clone(l.field(fields, source))
	}
}

// over reports whether all channels have ended.
func (c *eventCall) over() bool {
	for i := range c.channels {
		if c.channels[i].end.IsZero() {
			return false
		}
	}
	return len(c.channels) > 0
}

// finish makes a record of a call: over the channel that answered, or the first that was
// dialled.
func (e *eventCalls) finish(id string) {
	call := e.open[id]
	delete(e.open, id)
	for len(e.order) > 0 && e.open[e.order[0]] == nil {
		e.order = e.order[1:]
	}
	if call == nil {
		return
	}
	r := call.record
	r.End = call.last
	if len(call.channels) > 0 && !call.channels[0].end.IsZero() {
		r.End = call.channels[0].end
	}
	if len(call.channels) > 1 {
		out := &call.channels[1]
		for i := range call.channels[1:] {
			if c := &call.channels[1+i]; !c.answer.IsZero() && out.answer.IsZero() {
				out = c
			}
		}
		r.OutChannel, r.Answer = []byte(out.name), out.answer
		if out.end.After(r.End) {
			r.End = out.end
		}
	} else if len(call.channels) == 1 {
		r.Answer = call.channels[0].answer
	}
	if r.End.Before(r.Start) {
		r.End = r.Start
	}
	if r.Answer.Before(r.Start) || r.Answer.After(r.End) {
		r.Answer = time.Time{}
	}
	e.ready = append(e.ready, r)
}

// next is a call that is complete.
func (e *eventCalls) next(r *Record) bool {
	if len(e.ready) == 0 {
		return false
	}
	*r = e.ready[0]
	e.ready = e.ready[1:]
	return true
}

// flush finishes all calls, at the end of the file.
func (e *eventCalls) flush() {
	for len(e.order) > 0 {
		e.finish(e.order[0])
	}
}
