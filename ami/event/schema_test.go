package event_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

func TestShortestIsBelieved(t *testing.T) {
	for _, k := range event.Kinds() {
		if o := one(t, wired(event.Shortest(k)...)); o.err != nil || o.event.Kind != k {
			t.Errorf("%v: %v", k, o.err)
		}
	}
}

// door is a value of a real event through which a stranger writes, and the
// number of bytes that Asterisk lets through.
type door struct {
	event  event.Kind
	header string
	bytes  int
	ear    *ear
}

const (
	accountBytes = 36 // pjsip_distributor.c: name[AST_UUID_STR_LEN]
	numberBytes  = 79 // channel.h: AST_MAX_EXTENSION, AST_CHANNEL_NAME
)

func doors() []door {
	ear := new(ear)
	all := []door{{event.InvalidAccountID, "AccountID", accountBytes, ear}}
	for _, k := range []event.Kind{event.Newchannel, event.Newstate, event.Hangup, event.DialBegin, event.DialEnd, event.BridgeEnter, event.BridgeLeave} {
		for _, header := range []string{"CallerIDNum", "ConnectedLineNum", "Exten"} {
			all = append(all, door{k, header, numberBytes, ear})
			if k == event.DialBegin || k == event.DialEnd {
				all = append(all, door{k, "Dest" + header, numberBytes, ear})
			}
		}
	}
	for _, header := range []string{"TransfererCallerIDNum", "TransfererConnectedLineNum", "TransfererExten", "Extension"} {
		all = append(all, door{event.BlindTransfer, header, numberBytes, ear})
	}
	return append(all, door{event.DialBegin, "DialString", numberBytes, ear})
}

// frame gives what Asterisk writes before and after the stranger's value.
func (d door) frame(t *testing.T) (before, after string) {
	t.Helper()
	lines := event.Written(d.event)
	for i, l := range lines {
		if strings.HasPrefix(l, d.header+":") {
			before = strings.Join(lines[:i], "\r\n") + "\r\n" + d.header + ": "
			return before, "\r\n" + strings.Join(append(lines[i+1:], "\r\n"), "\r\n")
		}
	}
	t.Fatalf("%v has no %s", d.event, d.header)
	return "", ""
}

// forgeries are the texts that a stranger would send through the door: the rest
// of the real event so that it ends with his values, and every event begun or
// whole, for the rest of the real one to complete.
func (d door) forgeries(t *testing.T) (texts []string) {
	t.Helper()
	own := event.ShortestWithCaller(d.event)
	for i, l := range own {
		if strings.HasPrefix(l, d.header+":") {
			texts = append(texts, "\r\n"+strings.Join(own[i+1:], "\r\n")+"\r\n")
		}
	}
	for _, k := range event.Kinds() {
		for _, lines := range [][]string{event.Shortest(k), event.ShortestWithCaller(k)} {
			for n := 1; n <= len(lines); n++ {
				begun := "\r\n\r\n" + strings.Join(lines[:n], "\r\n")
				texts = append(texts, begun, begun+"\r\n")
			}
		}
	}
	return texts
}

// forged says whether anything is believed of a real event with that text in it
// that is not the real event's own: another event, another channel, another
// source.
func (d door) forged(t *testing.T, text string) bool {
	t.Helper()
	before, after := d.frame(t)
	believed, strange := 0, false
	d.ear.hear(t, before+text+after, func(e *event.Event) {
		believed++
		strange = strange || e.Kind != d.event || e.Kind.Security() ||
			string(e.Channel) != "1" || (e.DestChannel != nil && string(e.DestChannel) != "1")
	})
	return strange || believed > 1
}

// ear hears one stream after another without a Reader for each.
type ear struct {
	in bytes.Buffer
	r  *ami.Reader
	p  event.Parser
}

func (x *ear) hear(t *testing.T, stream string, believed func(*event.Event)) {
	t.Helper()
	if x.r == nil {
		x.r = ami.NewReader(&x.in)
	}
	x.in.WriteString(stream + wired("Event: end of the stream"))
	var e event.Event
	for {
		b, err := x.r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h := b.Headers[0]; string(h.Value) == "end of the stream" {
			return
		}
		if x.p.Parse(b, &e) == nil {
			believed(&e)
		}
	}
}

// TestNoForgeryFits sends every forgery there is through every door, and holds
// the lengths that the schema's comment names.
func TestNoForgeryFits(t *testing.T) {
	least := map[string]int{}
	for _, d := range doors() {
		for _, text := range d.forgeries(t) {
			if !d.forged(t, text) {
				continue
			}
			if len(text) <= d.bytes {
				t.Errorf("%v %s: %d bytes forge an event: %q", d.event, d.header, len(text), text)
			}
			if n, known := least[d.header]; !known || len(text) < n {
				least[d.header] = len(text)
			}
		}
	}
	for header, want := range map[string]int{"AccountID": 59, "CallerIDNum": 96, "Exten": 193, "DialString": 193} {
		if least[header] != want {
			t.Errorf("the shortest forgery through %s takes %d bytes, the comment says %d", header, least[header], want)
		}
	}
}

// TestWhatExtenCanForge holds what the schema's comment says of a number dialled
// that ends its block: the serial numbers of the caller's own channel.
func TestWhatExtenCanForge(t *testing.T) {
	d := door{event: event.Newchannel, header: "Exten", bytes: numberBytes}
	before, after := d.frame(t)
	text := "0011\r\nPriority:0\r\nUniqueid:7.7\r\nLinkedid:7.0\r\n"
	got := all(t, before+text+after)
	if len(text) > d.bytes || len(got) != 2 || got[0].err != nil || got[1].err != error(event.TamperedHeadless) {
		t.Fatalf("%d bytes give %+v", len(text), got)
	}
	if e := got[0].event; string(e.Uniqueid) != "7.7" || string(e.Channel) != "1" {
		t.Errorf("read as %+v", e)
	}
}

// TestNoPieceOfAForgeryFits cuts every forgery to what the door lets through,
// at every place.
func TestNoPieceOfAForgeryFits(t *testing.T) {
	for _, d := range doors() {
		seen := map[string]bool{}
		for _, text := range d.forgeries(t) {
			for _, whole := range []string{text, text + "\r\n\r\n"} {
				for from := 0; from < len(whole); from++ {
					piece := whole[from:min(from+d.bytes, len(whole))]
					if seen[piece] || !strings.HasPrefix(piece, "\r\n") && from > 0 {
						continue // what does not begin a line changes the value only
					}
					seen[piece] = true
					if d.forged(t, piece) {
						t.Fatalf("%v %s: believed with %q", d.event, d.header, piece)
					}
				}
			}
		}
	}
}
