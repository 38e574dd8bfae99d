package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// A thief who does not know the site's dialplan tries one number with every prefix,
// no faster than a person. With the default rules the thief is contained before
// having tried them all.
func TestPrefixProbing(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, "")
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		register(t, thief)
		tried := 0
		for _, prefix := range []string{"0011", "00", "011", "900", "9011", "000", "+", "9"} {
			if w.settled("toll fraud") || w.settled("faster than a person dials") {
				break
			}
			tried++
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if call, err := thief.Call(ctx, prefix+"442079460001"); err == nil {
				go func() { _ = call.Hangup(soon(t)) }()
			}
			cancel()
			time.Sleep(1100 * time.Millisecond) // or Cadence would catch the thief sooner
		}
		t.Logf("contained after %d of 8 ways to dial one number", tried)
		if tried > 6 {
			t.Errorf("the thief tried %d ways before being contained", tried)
		}
		w.wait("no channel of 1002", 5*time.Second, func() bool { return w.channels("1002") == 0 })
		w.contained(t, thief)
	})
}

// A slow theft makes one long call to a premium number every ten minutes. One such
// call is recorded on a real Asterisk and replayed as six hours of them.
func TestSlowTheft(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		colleague := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1001")
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		said := listen(t, l)
		register(t, thief)
		call, err := thief.Call(soon(t), "00979123456789")
		if err != nil {
			t.Fatal(err)
		}
		begin := said.until(t, "Event: Newstate\r\n", "ChannelState: 6\r\n")
		register(t, colleague) // an event with the time of the call's end
		if err := call.Hangup(soon(t)); err != nil {
			t.Fatal(err)
		}
		end := said.until(t, "Event: Hangup\r\n")

		const every, long, calls = 10 * time.Minute, 9 * time.Minute, 36
		first := time.Date(2026, 11, 14, 1, 0, 0, 0, time.UTC)
		var transcript strings.Builder
		for i := range calls {
			at := first.Add(time.Duration(i) * every)
			transcript.WriteString(retime(begin, at, i) + retime(end, at.Add(long), i))
		}
		path := filepath.Join(t.TempDir(), "night.ami")
		if err := os.WriteFile(path, []byte(transcript.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		program, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		out, err := command(t, program, "replay", "--json", path)
		if err != nil {
			t.Fatalf("replay: %v: %s", err, out)
		}
		var replayed struct {
			Incidents []incident.Incident `json:"incidents"`
		}
		if err := json.Unmarshal([]byte(out), &replayed); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		contained, ended := time.Duration(-1), 0
		for _, i := range replayed.Incidents {
			for _, s := range i.Steps {
				if s.Step == incident.StepHangupCall {
					ended++
				}
			}
			if crosses(i, "toll fraud") && contained < 0 {
				contained = i.At.Sub(first)
				t.Logf("contained at call %d: %s", int(contained/every)+1, i.Reason)
			}
		}
		t.Logf("%d of %d calls were to be ended for their destination", ended, calls)
		if contained < 0 || contained >= 3*every {
			t.Errorf("contained after %s, want the third call at the latest: %s", contained, out)
		}
		if ended < calls {
			t.Errorf("%d of %d calls to a premium number were to be ended", ended, calls)
		}
	})
}

var eventTime = regexp.MustCompile(`EventTV: \S+|SessionTV: \S+`)

// retime gives recorded events another time, and their channels and dialogs other
// names.
func retime(events string, at time.Time, n int) string {
	events = eventTime.ReplaceAllStringFunc(events, func(s string) string {
		name, _, _ := strings.Cut(s, " ")
		return name + " " + at.Format("2006-01-02T15:04:05.000-0700")
	})
	return strings.NewReplacer("1002-0000", fmt.Sprintf("1002-%04x", n+1), "SessionID: ", fmt.Sprintf("SessionID: %d", n)).Replace(events)
}

// ear is a session with Asterisk's manager interface that records its events.
type ear struct {
	heard chan string // blocks
}

func listen(t *testing.T, l *lab.Lab) *ear {
	t.Helper()
	conn, err := l.PBX.Dial(soon(t), "tcp", lab.AMIAddress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\nEvents: security,call\r\n\r\n", lab.WatcherUser, lab.WatcherSecret); err != nil {
		t.Fatal(err)
	}
	e := &ear{heard: make(chan string, 1024)}
	go func() {
		defer close(e.heard)
		var text strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			text.Write(buf[:n])
			for {
				block, rest, whole := strings.Cut(text.String(), "\r\n\r\n")
				if !whole {
					break
				}
				text.Reset()
				text.WriteString(rest)
				if strings.HasPrefix(block, "Event: ") || strings.Contains(block, "Response: Success") {
					e.heard <- block + "\r\n\r\n"
				}
			}
		}
	}()
	e.until(t, "Response: Success")
	return e
}

// until returns what was heard up to the block that contains all of these.
func (e *ear) until(t *testing.T, holds ...string) string {
	t.Helper()
	var all strings.Builder
	for {
		select {
		case block := <-e.heard:
			all.WriteString(block)
			missing := 0
			for _, s := range holds {
				if !strings.Contains(block, s) {
					missing++
				}
			}
			if missing == 0 {
				return all.String()
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("Asterisk did not say %q:\n%s", holds, all.String())
		}
	}
}
