package ami

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// asterisk is the far end of a pipe, controlled by a test.
type asterisk struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

const greeting = "Asterisk Call Manager/11.0.0\r\n"

// connected returns a client and the asterisk that it talks to, in a synctest bubble.
func connected(t *testing.T, handle func(time.Time, *event.Block)) (*Client, *asterisk) {
	t.Helper()
	near, far := net.Pipe()
	a := &asterisk{t: t, conn: far, in: bufio.NewReader(far)}
	go a.send(greeting)
	c, err := NewClient(t.Context(), near, handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, a
}

func (a *asterisk) send(text string) { _, _ = io.WriteString(a.conn, text) }

// action reads one action and returns its lines and ActionID.
func (a *asterisk) action() (lines []string, id string) {
	for {
		line, err := a.in.ReadString('\n')
		if err != nil {
			return lines, id
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line == "" {
			return lines, id
		}
		lines = append(lines, line)
		if found, ok := strings.CutPrefix(line, "ActionID: "); ok {
			id = found
		}
	}
}

// answer waits for an action and answers it. It replaces %s in the text by the ActionID.
func (a *asterisk) answer(text string) {
	_, id := a.action()
	a.send(strings.ReplaceAll(text, "%s", id))
}

func TestDoMatchesActionID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var others []string
		c, a := connected(t, func(_ time.Time, b *event.Block) {
			others = append(others, string(b.Headers[0].Value))
		})
		go func() {
			_, first := a.action()
			_, second := a.action()
			a.send("Event: Before\r\n\r\n")
			a.send("Response: Success\r\nActionID: " + second + "\r\nValue: second\r\n\r\n")
			a.send("Event: Between\r\nActionID: 1\r\n\r\n")
			a.send("Response: Success\r\nActionID: " + first + "\r\nValue: first\r\n\r\n")
			a.send("Response: Success\r\nActionID: 7\r\n\r\nEvent: After\r\n\r\n")
		}()
		got := make(chan string)
		for _, name := range []string{"first", "second"} {
			go func() {
				r, err := c.Do(t.Context(), act("Getvar", "Variable", name))
				if err != nil {
					t.Error(err)
				}
				got <- name + "=" + r.Get("Value")
			}()
			synctest.Wait() // keeps the order of the actions
		}
		all := []string{<-got, <-got}
		slices.Sort(all)
		if want := []string{"first=first", "second=second"}; !slices.Equal(all, want) {
			t.Errorf("answers %q, want %q", all, want)
		}
		synctest.Wait()
		if want := []string{"Before", "Between", "Success", "After"}; !slices.Equal(others, want) {
			t.Errorf("handled %q, want %q", others, want)
		}
	})
}

func TestResponses(t *testing.T) {
	const start = "Response: Success\r\nActionID: %s\r\nEventList: start\r\nMessage: will follow\r\n\r\n"
	const complete = "Event: XComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: 1\r\n\r\n"
	for _, c := range []struct {
		name, wire string
		items      int
		first      string // value X of the first item
		err        string
	}{
		{"plain", "Response: Success\r\nActionID: %s\r\n\r\n", 0, "", ""},
		{"goodbye", "Response: Goodbye\r\nActionID: %s\r\n\r\n", 0, "", ""},
		{"error", "Response: Error\r\nActionID: %s\r\nMessage: No such channel\r\n\r\n", 0, "", "ami: Test: Asterisk answered: No such channel"},
		{"PJSIP error that ends with LF", "Response: Error\r\nActionID: %s\r\nMessage: No Contacts found\n\r\n\r\n", 0, "", "ami: Test: Asterisk answered: No Contacts found"},
		{"GetConfig line without a colon", "Response: Success\r\nActionID: %s\r\nNo categories found\r\n\r\n", 0, "", ""},
		{"list", start + "Event: X\r\nActionID: %s\r\nX: 1\r\n\r\nEvent: Other\r\n\r\nEvent: X\r\nActionID: %s\r\nX: 2\r\n\r\n" + complete, 2, "1", ""},
		{"hang-up list, ActionID last", start + "Event: ChannelHungup\r\nX: 1\r\nActionID: %s\r\n\r\n" + complete, 1, "1", ""},
		{"empty list", start + complete, 0, "", ""},
		{"FAX writes Start", strings.Replace(start, "start", "Start", 1) + complete, 0, "", ""},
		{"a caller's name cannot close the list", start + "Event: X\r\nActionID: %s\r\nX: 1\r\nCallerIDNum: x\r\nEventList: Complete\r\n\r\nEvent: X\r\nActionID: %s\r\nX: 2\r\n\r\n" + complete, 2, "1", ""},
		{"a caller's name cannot hide an item", start + "Event: X\r\nX: 1\r\nCallerIDNum: x\r\nActionID: 99\r\nActionID: %s\r\n\r\n" + complete, 1, "1", ""},
		{"a caller's name can cut an item short", start + "Event: X\r\nActionID: %s\r\nX: 1\r\nCallerIDNum: x\r\n\r\nEvent: XComplete\r\nEventList: Complete\r\n\r\n" + complete, 1, "1", ""},
		{"error after the list began", start + "Response: Error\r\nActionID: %s\r\nMessage: Unable to format endpoint 1\n\r\n\r\n", 0, "", "ami: Test: Asterisk answered: Unable to format endpoint 1"},
		{"cancelled list", start + "Event: X\r\nActionID: %s\r\nX: 1\r\n\r\nEvent: XComplete\r\nActionID: %s\r\nEventList: cancelled\r\nListItems: 1\r\n\r\n", 0, "", "ami: Test: no answer: list cancelled by Asterisk"},
		{"over the limit", start + "Event: X\r\nActionID: %s\r\n" + strings.Repeat("X: 1\r\n", eventLimits.headers) + "\r\n", 0, "", "ami: Test: no answer: too large: too many headers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, a := connected(t, nil)
				go a.answer(c.wire)
				r, err := client.Do(t.Context(), Action{Name: "Test"})
				if c.err != "" {
					if err == nil || err.Error() != c.err {
						t.Errorf("error %v, want %s", err, c.err)
					}
					return
				}
				if err != nil || len(r.Events) != c.items {
					t.Fatalf("%d items, %v; want %d", len(r.Events), err, c.items)
				}
				if c.items > 0 && r.Events[0].Get("X") != c.first {
					t.Errorf("first item %q, want %s", r.Events[0], c.first)
				}
			})
		})
	}
}

func TestFailedCommandReturnsOutputAndError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := connected(t, nil)
		go a.answer("Response: Error\r\nActionID: %s\r\nMessage: Command output follows\r\nOutput: Failed to update.\r\nOutput: a: b\r\n\r\n")
		r, err := c.Do(t.Context(), act("Command", "Command", "realtime update …"))
		var refusal *Error
		if !errors.As(err, &refusal) || r.Get("Output") != "Failed to update." || r.Fields[len(r.Fields)-1].Value != "a: b" {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

func TestInvalidActionsAreNotSent(t *testing.T) {
	long := strings.Repeat("x", maxActionLine)
	synctest.Test(t, func(t *testing.T) {
		c, a := connected(t, nil)
		for _, bad := range []struct {
			action Action
			want   error
		}{
			{act("Hangup", "Channel", "PJSIP/1\r\nAction: Originate"), ErrUnsafe},
			{Action{Name: "Ping\r\n"}, ErrUnsafe},
			{Action{Name: "Ping", Fields: []Field{{"ActionID", "1"}}}, ErrUnsafe},
			{Action{Name: "Ping", Fields: []Field{{"action", "Originate"}}}, ErrUnsafe},
			{act("Getvar", "Variable", long), ErrTooLarge},
			{UpdateConfig("pjsip.conf", slices.Repeat([]Edit{{"Update", "1001", "password", "x", "", "", ""}}, 40)...), ErrTooLarge},
		} {
			if _, err := c.Do(t.Context(), bad.action); !errors.Is(err, bad.want) {
				t.Errorf("%s: %v, want %v", bad.action.Name, err, bad.want)
			} else if strings.Contains(err.Error(), "Originate") || strings.Contains(err.Error(), long) {
				t.Errorf("%s: the error contains the value: %v", bad.action.Name, err)
			}
		}
		go a.answer("Response: Success\r\nActionID: %s\r\nPing: Pong\r\n\r\n")
		if r, err := c.Do(t.Context(), act("Ping")); err != nil || r.Get("Ping") != "Pong" {
			t.Errorf("the first action to arrive was not Ping: %v, %v", r, err)
		}
	})
}

func TestLateAnswerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		c, a := connected(t, func(time.Time, *event.Block) { handled++ })
		ids := make(chan string, 1)
		go func() {
			_, id := a.action()
			ids <- id
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Do(ctx, act("Ping")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		a.send("Response: Success\r\nActionID: " + <-ids + "\r\n\r\nEvent: X\r\n\r\n")
		synctest.Wait()
		if handled != 1 || c.busy() {
			t.Errorf("handled %d, busy %v; want 1, false", handled, c.busy())
		}
	})
}

func TestActionWithoutDeadlineTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := connected(t, nil)
		go a.action()
		began := time.Now()
		_, err := c.Do(t.Context(), act("Ping"))
		if waited := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || waited != defaultTimeout {
			t.Errorf("waited %v, %v", waited, err)
		}
	})
}

func TestEndOfStreamFailsPendingActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := connected(t, nil)
		errs := make(chan error)
		for range 3 {
			go func() {
				_, err := c.Do(t.Context(), act("Ping"))
				errs <- err
			}()
		}
		for range 3 {
			a.action()
		}
		a.send("Response: Succ")
		_ = a.conn.Close()
		for range 3 {
			if err := <-errs; !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want an unexpected end", err)
			}
		}
		<-c.Done()
		if _, err := c.Do(t.Context(), act("Ping")); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("afterwards: %v, want the first reason", err)
		}
		_ = c.Close()
		if c.Connected() || errors.Is(c.Err(), ErrClosed) {
			t.Errorf("connected %v, %v", c.Connected(), c.Err())
		}
	})
}

func TestCloseFailsPendingActionsAndMayBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := connected(t, nil)
		got := make(chan error)
		go func() {
			_, err := c.Do(t.Context(), act("Ping"))
			got <- err
		}()
		a.action()
		for range 3 {
			go func() { _ = c.Close() }()
		}
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want %v", err, ErrClosed)
		}
		_ = c.Close()
	})
}

func TestConnectionEndsIfAsteriskDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connected(t, nil)
		began := time.Now()
		_, err := c.Do(t.Context(), act("Ping"))
		if waited := time.Since(began); err == nil || waited != writeTimeout {
			t.Errorf("waited %v, %v", waited, err)
		}
		<-c.Done()
	})
}

func TestPendingActionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := connected(t, nil)
		go func() { _, _ = io.Copy(io.Discard, a.conn) }()
		for range maxPending {
			go func() { _, _ = c.Do(t.Context(), act("Ping")) }()
		}
		synctest.Wait()
		if _, err := c.Do(t.Context(), act("Ping")); !errors.Is(err, ErrBusy) || c.counters.Refused.Load() != 1 {
			t.Errorf("got %v, refused %d", err, c.counters.Refused.Load())
		}
		_ = c.Close()
	})
}

func TestMissingGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := NewClient(ctx, near, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
}

func TestLogin(t *testing.T) {
	const secret = "s3cr3t-Never-Shown"
	for _, c := range []struct {
		name      string
		challenge string // the answer to Challenge
		login     string // the answer to Login
		want      []string
		err       error
	}{
		{
			"by challenge",
			"Response: Success\r\nActionID: %s\r\nChallenge: 123\r\n\r\n",
			"Response: Success\r\nActionID: %s\r\nMessage: Authentication accepted\r\n\r\n",
			[]string{"Username: warden", "AuthType: MD5", "Key: 08cad8ca3beb271481c1df17fd52c9da", "Events: security,call"},
			nil,
		},
		{
			"plain text if there is no challenge",
			"Response: Error\r\nActionID: %s\r\nMessage: Invalid/unknown command: Challenge.\r\n\r\n",
			"Response: Success\r\nActionID: %s\r\nMessage: Authentication accepted\r\n\r\n",
			[]string{"Username: warden", "Secret: " + secret, "Events: security,call"},
			nil,
		},
		{
			"wrong secret is not retried in plain text",
			"Response: Success\r\nActionID: %s\r\nChallenge: 123\r\n\r\n",
			"Response: Error\r\nActionID: %s\r\nMessage: Authentication failed\r\n\r\n",
			[]string{"Username: warden", "AuthType: MD5", "Key: 08cad8ca3beb271481c1df17fd52c9da", "Events: security,call"},
			ErrAuth,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, a := connected(t, nil)
				var lines []string
				var more int
				go func() {
					a.answer(c.challenge)
					var id string
					lines, id = a.action()
					a.send(strings.ReplaceAll(c.login, "%s", id))
					if _, id := a.action(); id != "" {
						more++
					}
				}()
				err := client.Login(t.Context(), "warden", secret, "security,call")
				_ = client.Close()
				synctest.Wait()
				if !errors.Is(err, c.err) || (err != nil && strings.Contains(err.Error(), secret)) {
					t.Errorf("got %v, want %v", err, c.err)
				}
				if got := lines[2:]; lines[0] != "Action: Login" || !slices.Equal(got, c.want) || more != 0 {
					t.Errorf("sent %q, want %q; %d more actions", lines, c.want, more)
				}
			})
		})
	}
}

func TestHandlingABlockAllocatesNothing(t *testing.T) {
	blocks := make(chan struct{}, 1)
	n := 0
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, greeting)
		_, _ = io.Copy(far, newFlood())
	}()
	const batch = 10_000
	c, err := NewClient(t.Context(), near, func(time.Time, *event.Block) {
		if n++; n%batch == 0 {
			blocks <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	go func() { // the reader waits for us at the end
		<-c.Done()
	}()
	<-blocks
	if n := testing.AllocsPerRun(5, func() { <-blocks }); n/batch > 0.001 {
		t.Errorf("%v allocations in %d blocks, want none", n, batch)
	}
	go func() {
		for range blocks {
		}
	}()
	_ = c.Close()
	close(blocks)
}

func BenchmarkClient(b *testing.B) {
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, greeting)
		_, _ = io.Copy(far, newFlood())
	}()
	n := 0
	done := make(chan struct{})
	b.ReportAllocs()
	c, err := NewClient(b.Context(), near, func(time.Time, *event.Block) {
		if n++; n == b.N {
			close(done)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	_ = far.Close()
	_ = c.Close()
}

func ExampleUpdateConfig() {
	a := UpdateConfig("pjsip.conf", Edit{
		Verb: "Update", Category: "1001", Variable: "password", Value: "…", Options: `catfilter="type=auth"`,
	})
	fmt.Print(strings.ReplaceAll(string(a.encode("1")), "\r\n", "\n"))
	// Output:
	// Action: UpdateConfig
	// ActionID: 1
	// SrcFilename: pjsip.conf
	// DstFilename: pjsip.conf
	// Reload: no
	// PreserveEffectiveContext: no
	// Action-000000: Update
	// Cat-000000: 1001
	// Var-000000: password
	// Value-000000: …
	// Options-000000: catfilter="type=auth"
}
