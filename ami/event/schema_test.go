package event_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

func TestShortestIsAccepted(t *testing.T) {
	for _, k := range event.Kinds() {
		if o := one(t, block(event.Shortest(k)...)); o.err != nil || o.event.Kind != k {
			t.Errorf("%v: %v", k, o.err)
		}
	}
}

// entryPoint is a value of a real event that a sender can choose, and the number of
// bytes that Asterisk passes.
type entryPoint struct {
	event    event.Kind
	header   string
	bytes    int
	listener *listener
}

const (
	accountBytes = 36 // pjsip_distributor.c: name[AST_UUID_STR_LEN]
	numberBytes  = 79 // channel.h: AST_MAX_EXTENSION, AST_CHANNEL_NAME
)

func entryPoints() []entryPoint {
	listener := new(listener)
	all := []entryPoint{{event.InvalidAccountID, "AccountID", accountBytes, listener}}
	for _, k := range []event.Kind{event.Newchannel, event.Newstate, event.Hangup, event.DialBegin, event.DialEnd, event.BridgeEnter, event.BridgeLeave} {
		for _, header := range []string{"CallerIDNum", "ConnectedLineNum", "Exten"} {
			all = append(all, entryPoint{k, header, numberBytes, listener})
			if k == event.DialBegin || k == event.DialEnd {
				all = append(all, entryPoint{k, "Dest" + header, numberBytes, listener})
			}
		}
	}
	for _, header := range []string{"TransfererCallerIDNum", "TransfererConnectedLineNum", "TransfererExten", "Extension"} {
		all = append(all, entryPoint{event.BlindTransfer, header, numberBytes, listener})
	}
	return append(all, entryPoint{event.DialBegin, "DialString", numberBytes, listener})
}

// frame returns what Asterisk writes before and after the sender's value.
func (d entryPoint) frame(t *testing.T) (before, after string) {
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

// forgeries returns the texts that an attacker would send: the rest of the real
// event with chosen values, and the start of every event, partial or complete, so
// that the rest of the real event completes it.
func (d entryPoint) forgeries(t *testing.T) (texts []string) {
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
				started := "\r\n\r\n" + strings.Join(lines[:n], "\r\n")
				texts = append(texts, started, started+"\r\n")
			}
		}
	}
	return texts
}

// forged reports whether a real event that contains text leads to anything but the
// real event: another event, another channel or another source.
func (d entryPoint) forged(t *testing.T, text string) bool {
	t.Helper()
	before, after := d.frame(t)
	accepted, wrong := 0, false
	d.listener.parseStream(t, before+text+after, func(e *event.Event) {
		accepted++
		wrong = wrong || e.Kind != d.event || e.Kind.Security() ||
			string(e.Channel) != "1" || (e.DestChannel != nil && string(e.DestChannel) != "1")
	})
	return wrong || accepted > 1
}

// listener parses many streams with one Reader.
type listener struct {
	in bytes.Buffer
	r  *ami.Reader
	p  event.Parser
}

func (x *listener) parseStream(t *testing.T, stream string, accepted func(*event.Event)) {
	t.Helper()
	if x.r == nil {
		x.r = ami.NewReader(&x.in)
	}
	x.in.WriteString(stream + block("Event: end of the stream"))
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
			accepted(&e)
		}
	}
}

// TestNoForgeryFits tries every forgery at every entry point, and checks the lengths
// in the comment of schema.go.
func TestNoForgeryFits(t *testing.T) {
	least := map[string]int{}
	for _, d := range entryPoints() {
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

// TestWhatExtenCanForge checks what the comment of schema.go says about a dialled
// number that ends its block: it can choose the Uniqueid of the caller's channel.
func TestWhatExtenCanForge(t *testing.T) {
	d := entryPoint{event: event.Newchannel, header: "Exten", bytes: numberBytes}
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

// TestNoPieceOfAForgeryFits tries every piece of every forgery that fits the entry
// point.
func TestNoPieceOfAForgeryFits(t *testing.T) {
	for _, d := range entryPoints() {
		seen := map[string]bool{}
		for _, text := range d.forgeries(t) {
			for _, whole := range []string{text, text + "\r\n\r\n"} {
				for from := 0; from < len(whole); from++ {
					piece := whole[from:min(from+d.bytes, len(whole))]
					if seen[piece] || !strings.HasPrefix(piece, "\r\n") && from > 0 {
						continue // without a new line it only changes the value
					}
					seen[piece] = true
					if d.forged(t, piece) {
						t.Fatalf("%v %s: accepted with %q", d.event, d.header, piece)
					}
				}
			}
		}
	}
}
