package ami_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
)

var warden = amitest.User{Name: "tollwarden", Secret: "s3cr3t"}

func startPBX(t testing.TB, o amitest.Options) *amitest.PBX {
	t.Helper()
	if o.Users == nil {
		o.Users = []amitest.User{warden}
	}
	p, err := amitest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func connect(t testing.TB, p *amitest.PBX, events string, handle func(time.Time, *event.Block)) *ami.Client {
	t.Helper()
	d := ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: warden.Secret, Events: events, Handle: handle}
	c, err := d.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Many goami functions run concurrently on one connection that also carries a flood of
// events. Each must get its own response.
func TestConcurrentGoamiActions(t *testing.T) {
	const workers, rounds = 300, 8
	p := startPBX(t, amitest.Options{WriteTimeout: time.Minute})
	for i := range workers {
		p.AddChannel(amitest.Channel{Name: fmt.Sprintf("PJSIP/%d-00000001", i), Vars: map[string]string{"WHO": fmt.Sprint("caller ", i)}})
	}
	var seen atomic.Uint64
	c := connect(t, p, "security", func(_ time.Time, b *event.Block) {
		if b.Damage != event.Undamaged || string(b.Headers[0].Name) != "Event" {
			t.Errorf("handled %q", b.Headers)
		}
		seen.Add(1)
	})
	ctx, stop := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	var raised uint64
	flooding.Go(func() {
		for ctx.Err() == nil {
			for range 50 {
				p.Security(amitest.SecurityEvent{Event: "ChallengeSent", Account: "1002", Session: "1", Remote: "IPV4/UDP/192.0.2.66/5060"})
				raised++
			}
			time.Sleep(time.Millisecond)
		}
	})
	var work sync.WaitGroup
	for i := range workers {
		work.Go(func() {
			s := ami.NewSession(c)
			for round := range rounds {
				if err := ask(t.Context(), s, i, round); err != nil {
					t.Errorf("worker %d: %v", i, err)
					return
				}
			}
			r, err := goami.Hangup(t.Context(), s, "", fmt.Sprintf("PJSIP/%d-00000001", i), "21")
			if err != nil || r.Get("Message") != "Channel Hungup" {
				t.Errorf("worker %d: %v, %v", i, r, err)
			}
		})
	}
	work.Wait()
	stop()
	flooding.Wait()
	if _, err := c.Do(t.Context(), act("Ping")); err != nil { // all events precede this response
		t.Fatal(err)
	}
	if got := seen.Load(); got != raised+1 { // plus our own login
		t.Errorf("%d events handled, %d raised", got, raised+1)
	}
	if left := p.Channels(); len(left) != 0 {
		t.Errorf("channels left: %q", left)
	}
}

// ask sends one of several actions whose responses identify the sender.
func ask(ctx context.Context, s *ami.Session, i, round int) error {
	id := fmt.Sprintf("own-%d-%d", i, round)
	channel := fmt.Sprintf("PJSIP/%d-00000001", i)
	switch (i + round) % 4 {
	case 0:
		r, err := goami.Getvar(ctx, s, id, channel, "WHO")
		if want := fmt.Sprint("caller ", i); err != nil || r.Get("Value") != want {
			return fmt.Errorf("Getvar: %v, %w, want %s", r, err, want)
		}
	case 1:
		key := fmt.Sprintf("%d/%d", i, round)
		if _, err := goami.DBPut(ctx, s, id, "test", key, key); err != nil {
			return err
		}
		if r, err := goami.DBGet(ctx, s, id, "test", key); err != nil || r.Get("Val") != key {
			return fmt.Errorf("DBGet: %v, %w, want %s", r, err, key)
		}
		if r, err := goami.DBDel(ctx, s, id, "test", key); err != nil || r.Get("Response") != "Success" {
			return fmt.Errorf("DBDel: %v, %w", r, err)
		}
	case 2:
		if i%10 != 0 { // the lists are long
			return goami.Ping(ctx, s, id)
		}
		all, err := goami.CoreShowChannels(ctx, s, id)
		for _, r := range all {
			if r.Get("Channel") == channel {
				return nil
			}
		}
		return fmt.Errorf("CoreShowChannels: %s is not among %d: %w", channel, len(all), err)
	case 3:
		r, err := goami.Command(ctx, s, id, fmt.Sprint("no command ", i))
		var refusal *ami.Error
		if !errors.As(err, &refusal) {
			return fmt.Errorf("Command: %v, %w, want a refusal", r, err)
		}
	}
	return nil
}

func TestGoamiErrorsAreErrors(t *testing.T) {
	p := startPBX(t, amitest.Options{})
	c := connect(t, p, "off", nil)
	s := ami.NewSession(c)
	var refusal *ami.Error
	// goami itself treats this as an empty list.
	if all, err := goami.PJSIPShowContacts(t.Context(), s, "1"); !errors.As(err, &refusal) || refusal.Message != "No Contacts found" {
		t.Errorf("PJSIPShowContacts: %v, %v", all, err)
	}
	if r, err := goami.Hangup(t.Context(), s, "", "PJSIP/none-00000001", "16"); !errors.As(err, &refusal) || refusal.Message != "No such channel" {
		t.Errorf("Hangup: %v, %v", r, err)
	}
	if _, err := s.Recv(t.Context()); err != io.EOF {
		t.Errorf("nothing was sent, but Recv returns %v", err)
	}
	if err := goami.Ping(t.Context(), s, ""); err != nil {
		t.Errorf("the session is broken: %v", err)
	}
}

// Items keep the selected headers, including repeated ones, which reveal a forged header.
func TestSessionKeepsNamedHeaders(t *testing.T) {
	item := ami.Message{{Name: "Event", Value: "CoreShowChannel"}, {Name: "Channel", Value: "PJSIP/1"}, {Name: "Exten", Value: "0044"}, {Value: "no colon"}, {Name: "Channel", Value: "PJSIP/2"}}
	for _, c := range []struct {
		only []string
		want goami.Response
	}{
		{nil, goami.Response{"Event": {"CoreShowChannel"}, "Channel": {"PJSIP/1", "PJSIP/2"}, "Exten": {"0044"}}},
		{[]string{"Channel"}, goami.Response{"Event": {"CoreShowChannel"}, "Channel": {"PJSIP/1", "PJSIP/2"}}},
		{[]string{"Exten"}, goami.Response{"Event": {"CoreShowChannel"}, "Exten": {"0044"}}},
	} {
		s := ami.NewSession(fixedDoer{&ami.Response{Events: []ami.Message{item}}}, c.only...)
		if got, err := goami.CoreShowChannels(t.Context(), s, ""); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
			t.Errorf("%q: %v, %v", c.only, got, err)
		}
	}
}

// fixedDoer returns the same response to every action.
type fixedDoer struct{ answer *ami.Response }

func (g fixedDoer) Do(context.Context, ami.Action) (*ami.Response, error) { return g.answer, nil }

func TestGoamiConfig(t *testing.T) {
	p := startPBX(t, amitest.Options{})
	if err := p.AddAccount(amitest.Account{Technology: "SIP", Name: "1002", Secret: "old"}); err != nil {
		t.Fatal(err)
	}
	s := ami.NewSession(connect(t, p, "off", nil))
	if _, err := goami.UpdateConfig(t.Context(), s, "1", "sip.conf", "sip.conf", false,
		goami.UpdateConfigAction{Action: "Update", Category: "1002", Var: "secret", Value: "new"}); err != nil {
		t.Fatal(err)
	}
	r, err := goami.GetConfig(t.Context(), s, "2", "sip.conf", "1002", "")
	if err != nil || r.Get("Line-000000-000003") != "secret=new" {
		t.Errorf("GetConfig: %v, %v", r, err)
	}
	if p.Secret("1002") != "old" {
		t.Error("the new secret is live before the reload")
	}
	if _, err := goami.Reload(t.Context(), s, "3", "chan_sip.so"); err != nil || p.Secret("1002") != "new" {
		t.Errorf("after the reload: %q, %v", p.Secret("1002"), err)
	}
}

func TestSessionRejectsMoreThanOneAction(t *testing.T) {
	p := startPBX(t, amitest.Options{})
	s := ami.NewSession(connect(t, p, "off", nil))
	for _, message := range []string{
		"",
		"\r\n",
		"Action: Ping",
		"Action: Ping\r\n",
		"Action: Ping\r\n\r\nAction: Originate\r\n\r\n",
		"Action: Ping\r\nAction: Originate\r\n\r\n",
		"Action: Ping\r\naction: Originate\r\n\r\n",
		"ActionID: 1\r\nAction: Ping\r\n\r\n",
		"Action: Ping\r\nActionID: 1\r\nActionID: 2\r\n\r\n",
		"Action: Hangup\r\nChannel: a\r\nCause: 1\r\nCause: 16\r\n\r\n",
		"Action: Hangup\r\nChannel: a\nCause: 1\r\n\r\n",
		"Action: Hangup\r\nChannel: a\rCause: 1\r\n\r\n",
		"Action: Hangup\r\nChannel: a\x00\r\n\r\n",
		"Action: Hangup\r\nno header\r\n\r\n",
		"\r\nAction: Ping\r\n\r\n",
	} {
		if err := s.Send(message); !errors.Is(err, ami.ErrUnsafe) {
			t.Errorf("%q: %v, want %v", message, err, ami.ErrUnsafe)
		}
	}
	if _, err := goami.Originate(t.Context(), s, "1", goami.OriginateData{
		Channel: "PJSIP/1", Variable: []string{"A=1", "B=2"},
	}); errors.Is(err, ami.ErrUnsafe) {
		t.Errorf("two variables are rejected: %v", err)
	}
	if _, err := goami.Command(t.Context(), s, "1", "core show version\r\nAction: Originate"); !errors.Is(err, ami.ErrUnsafe) {
		t.Errorf("an action inside a value: %v", err)
	}
}

// A value with a line break never becomes a header of the actions that take
// values from elsewhere.
func TestValuesMakeNoHeaders(t *testing.T) {
	ctx := t.Context()
	s := ami.NewSession(fixedDoer{&ami.Response{}})
	for _, bad := range []string{"x\r\nFoo: bar", "x\r\nVal: bar", "x\r\nCause: 1", "x\r\n", "\r\nx", "x\ny", "x\ry", "x\x00", "x\r\n\r\nAction: Ping", "x\r\nChannel: y", "x\r\nActionID: 1", "x\r\nno header"} {
		for name, ask := range map[string]func(value string) error{
			"Command":           func(v string) error { _, err := goami.Command(ctx, s, "", v); return err },
			"DBDel":             func(v string) error { _, err := goami.DBDel(ctx, s, "", "registrar", v); return err },
			"Getvar":            func(v string) error { _, err := goami.Getvar(ctx, s, "", v, "X"); return err },
			"Hangup":            func(v string) error { _, err := goami.Hangup(ctx, s, "", v, ""); return err },
			"PJSIPShowEndpoint": func(v string) error { _, err := goami.PJSIPShowEndpoint(ctx, s, "", v); return err },
			"Reload":            func(v string) error { _, err := goami.Reload(ctx, s, "", v); return err },
			"SIPshowpeer":       func(v string) error { _, err := goami.SIPShowPeer(ctx, s, "", v); return err },
			"Sorcery":           func(v string) error { _, err := goami.SorceryMemoryCacheExpireObject(ctx, s, "", "c", v); return err },
		} {
			if err := ask(bad); !errors.Is(err, ami.ErrUnsafe) {
				t.Errorf("%s with %q: %v", name, bad, err)
			}
			if err := ask("PJSIP/1002: 00000001"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestSessionRespectsContext(t *testing.T) {
	p := startPBX(t, amitest.Options{})
	c := connect(t, p, "off", nil)
	p.Hang(true)
	s := ami.NewSession(c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := goami.Ping(ctx, s, "1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	p.Hang(false)
	if err := goami.Ping(t.Context(), s, "2"); err != nil { // not answered by the late pong
		t.Errorf("afterwards: %v", err)
	}
	if err := s.Send("Action: Ping\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Send("Action: Ping\r\n\r\n"); err == nil {
		t.Error("a second action before the response to the first is accepted")
	}
	_ = s.Close(t.Context())
	if err := goami.Ping(t.Context(), s, "3"); err != nil || !s.Connected() {
		t.Errorf("after Close of the session: %v", err)
	}
}

// A played capture arrives unchanged, block by block.
func TestPlayedCaptureArrivesComplete(t *testing.T) {
	for _, file := range []string{"fraud-asterisk16-chansip.txt", "fraud-asterisk22-pjsip.txt", "injection-asterisk22.txt"} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		collect := func(to *[]string) func(*event.Block) {
			return func(b *event.Block) {
				var s strings.Builder
				for _, h := range b.Headers {
					fmt.Fprintf(&s, "%s: %s\n", h.Name, h.Value)
				}
				*to = append(*to, s.String())
			}
		}
		_, blocks, _ := bytes.Cut(data, []byte("\r\n"))
		r := ami.NewReader(bytes.NewReader(blocks))
		for b, err := r.Next(); err == nil; b, err = r.Next() {
			if !b.IsResponse() {
				collect(&want)(b)
			}
		}
		p := startPBX(t, amitest.Options{})
		keep := collect(&got)
		c := connect(t, p, "all", func(_ time.Time, b *event.Block) { keep(b) })
		if _, err := p.Play(t.Context(), data, amitest.AtOnce); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), act("Ping")); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		got = got[2:] // this PBX's own FullyBooted and SuccessfulAuth
		if len(got) != len(want) {
			t.Fatalf("%s: %d blocks, want %d", file, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: block %d is\n%s\nwant\n%s", file, i, got[i], want[i])
			}
		}
	}
}
