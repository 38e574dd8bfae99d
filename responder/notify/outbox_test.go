package notify_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/notify"
)

// pager is a receiver that records the messages it gets.
type pager struct {
	name string

	mu    sync.Mutex
	got   []string // subjects
	texts []string
	tries int
	err   error // its answer
	hangs bool  // it never answers
}

func (p *pager) Name() string                { return p.name }
func (p *pager) Check(context.Context) error { return nil }
func (p *pager) Deliver(ctx context.Context, m *notify.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	if p.hangs {
		p.mu.Unlock()
		<-ctx.Done()
		p.mu.Lock()
		return ctx.Err()
	}
	if p.err != nil {
		return p.err
	}
	p.got, p.texts = append(p.got, m.Subject), append(p.texts, m.Text)
	return nil
}

func (p *pager) answers(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// wakes ends the hang and returns the number of attempts so far.
func (p *pager) wakes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs = false
	return p.tries
}

func (p *pager) text(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts[n]
}

func (p *pager) has() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// ledger records the outcome of each message.
type ledger struct {
	mu    sync.Mutex
	last  map[string]notify.Outcome
	final map[string]int
}

// send sends message n of a kind.
func (l *ledger) send(p *notify.Post, kind string, n int) {
	name := fmt.Sprintf("%s %d", kind, n)
	p.Send(&notify.Message{Kind: kind, At: time.Now(), Subject: name, Text: name}, func(o notify.Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last[name] = o
		if o.Final {
			l.final[name]++
		}
	})
}

// of is the last outcome of a message.
func (l *ledger) of(name string) notify.Outcome { return l.all()[name] }

func (l *ledger) all() map[string]notify.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.last)
}

// bubble runs a Post in virtual time.
func bubble(t *testing.T, r notify.Receivers, play func(p *notify.Post, l *ledger)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if r.Within == 0 {
			r.Within = 10 * time.Second
		}
		p := notify.NewPost("pbx", zerolog.Nop())
		p.Set(r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		l := &ledger{last: map[string]notify.Outcome{}, final: map[string]int{}}
		play(p, l)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for name, n := range l.final {
			if n != 1 {
				t.Errorf("%s had %d final outcomes", name, n)
			}
		}
	})
}

var limit = notify.Limit{Burst: 3, Digest: 15 * time.Minute}

// The first few messages of a kind are sent at once and one digest lists the
// rest; a flood of one kind does not delay another; syslog gets every message.
func TestDigest(t *testing.T) {
	mail, syslog := &pager{name: "mail"}, &pager{name: "syslog"}
	bubble(t, notify.Receivers{Mail: mail, Syslog: syslog, Limit: limit}, func(p *notify.Post, l *ledger) {
		start := time.Now()
		for i := range 50 {
			l.send(p, "flood", i)
			time.Sleep(time.Second)
		}
		l.send(p, "break-in", 0)
		synctest.Wait()
		if got := mail.has(); !slices.Equal(got, []string{"flood 0", "flood 1", "flood 2", "break-in 0"}) {
			t.Errorf("sent individually: %q", got)
		}
		if o := l.of("flood 3"); o.Final || o.Detail != "mail: will be in the next digest; syslog: delivered" {
			t.Errorf("flood 3 is %+v", o)
		}
		time.Sleep(limit.Digest - time.Since(start) + time.Second)
		synctest.Wait()
		got := mail.has()
		if len(got) != 5 || got[4] != "FYI: 47 more messages (pbx, digest)" {
			t.Fatalf("sent %q", got)
		}
		for i := 3; i < 50; i++ {
			name := fmt.Sprintf("flood %d", i)
			if !strings.Contains(mail.text(4), name+"\n") {
				t.Errorf("the digest does not list %s", name)
			}
			if o := l.of(name); !o.Final || o.Delivered != 2 || o.Detail != "mail: delivered; syslog: delivered" {
				t.Errorf("%s is %+v", name, o)
			}
		}
		if n := len(syslog.has()); n != 51 {
			t.Errorf("syslog got %d lines", n)
		}
		// After a quiet hour the limit starts over.
		time.Sleep(time.Hour)
		l.send(p, "flood", 50)
		synctest.Wait()
		if got := mail.has(); len(got) != 6 || got[5] != "flood 50" {
			t.Errorf("after a quiet hour: %q", got[5:])
		}
	})
}

// A dead or slow receiver delays no other, and gets what it missed when it comes
// back: the first messages individually, the others in one digest.
func TestDeadReceiver(t *testing.T) {
	mail, hook := &pager{name: "mail", hangs: true}, &pager{name: "hook"}
	bubble(t, notify.Receivers{Mail: mail, Webhook: hook, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 5 {
			l.send(p, "flood", i)
		}
		time.Sleep(time.Millisecond) // far less than the mail's time limit
		synctest.Wait()
		if c := p.Counts(); c != (notify.Counts{Delivered: 3, Pending: 7}) {
			t.Errorf("counted %+v", c)
		}
		if got := hook.has(); len(got) != 3 {
			t.Errorf("while one receiver hangs, the other got %q", got)
		}
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if c := p.Counts(); c != (notify.Counts{Delivered: 5, Pending: 5, Retrying: 5}) {
			t.Errorf("counted %+v", c)
		}
		if o := l.of("flood 0"); o.Final || o.Delivered != 1 || o.Detail != "hook: delivered; mail: retrying: no answer within 10s" {
			t.Errorf("flood 0 is %+v", o)
		}
		// 1 s, 2 s, 4 s … 10 min with a jitter of half, each after a timeout of 10 s.
		if n := mail.wakes(); n < 35 || n > 140 {
			t.Errorf("%d attempts in ten hours", n)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if got := mail.has(); !slices.Equal(got, []string{"flood 0", "flood 1", "flood 2", "FYI: 2 more messages (pbx, digest)"}) {
			t.Errorf("when it came back it got %q", got)
		}
		for name, o := range l.all() {
			if !o.Final || o.Delivered != 2 {
				t.Errorf("%s is %+v", name, o)
			}
		}
	})
}

// A message that a receiver refuses delays no other: the next digest lists it.
func TestRefusedMessage(t *testing.T) {
	hook := &pager{name: "hook", err: notify.Refusal{Err: errors.New("413 too large")}}
	bubble(t, notify.Receivers{Webhook: hook, Limit: limit}, func(p *notify.Post, l *ledger) {
		l.send(p, "large", 0)
		synctest.Wait()
		hook.answers(nil)
		l.send(p, "small", 0)
		synctest.Wait()
		if got := hook.has(); !slices.Equal(got, []string{"small 0"}) {
			t.Errorf("sent %q", got)
		}
		time.Sleep(limit.Digest)
		synctest.Wait()
		if got := hook.has(); len(got) != 2 || !strings.Contains(hook.text(1), "large 0") {
			t.Errorf("sent %q", hook.has())
		}
		if o := l.of("large 0"); !o.Final || o.Delivered != 1 {
			t.Errorf("large 0 is %+v", o)
		}
	})
}

// The messages of a refused digest are lost and counted in the next one; new
// messages are still sent at once.
func TestRefusedDigest(t *testing.T) {
	hook := &pager{name: "hook"}
	bubble(t, notify.Receivers{Webhook: hook, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 5 {
			l.send(p, "flood", i)
		}
		synctest.Wait()
		if c := p.Counts(); c != (notify.Counts{Delivered: 3, Pending: 2}) {
			t.Errorf("while a digest is not due: %+v", c)
		}
		hook.answers(notify.Refusal{Err: errors.New("413 too large")})
		time.Sleep(limit.Digest)
		synctest.Wait()
		hook.answers(nil)
		l.send(p, "break-in", 0)
		synctest.Wait()
		if got := hook.has(); len(got) != 4 || got[3] != "break-in 0" {
			t.Errorf("after a refused digest: %q", got)
		}
		if o := l.of("flood 4"); !o.Final || o.Delivered != 0 || o.Detail != "hook: 413 too large" {
			t.Errorf("flood 4 is %+v", o)
		}
		if c := p.Counts(); c != (notify.Counts{Delivered: 4, Lost: 2}) {
			t.Errorf("counted %+v", c)
		}
		time.Sleep(limit.Digest)
		synctest.Wait()
		if got := hook.has(); len(got) != 5 || got[4] != "FYI: 2 more messages (pbx, digest)" {
			t.Errorf("the next digest: %q", got)
		}
	})
}

// A message that reached only some recipients counts as delivered, and its
// outcome names the others.
func TestPartlyDelivered(t *testing.T) {
	mail := &pager{name: "mail", err: notify.Partly{Err: errors.New("boss@example.org: no such user")}}
	bubble(t, notify.Receivers{Mail: mail, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 4 {
			l.send(p, "flood", i)
		}
		time.Sleep(limit.Digest)
		synctest.Wait()
		for name, o := range l.all() {
			if !o.Final || o.Delivered != 1 || o.Detail != "mail: delivered, but not to everyone: boss@example.org: no such user" {
				t.Errorf("%s is %+v", name, o)
			}
		}
		if n := mail.wakes(); n != 4 {
			t.Errorf("%d attempts, want 3 messages and a digest", n)
		}
	})
}

// A message is given up after a day without success, and its outcome says so.
func TestGivenUp(t *testing.T) {
	mail := &pager{name: "mail", err: errors.New("connection refused")}
	bubble(t, notify.Receivers{Mail: mail, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 10 {
			l.send(p, "flood", i)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		for name, o := range l.all() {
			if !o.Final || o.Delivered != 0 || o.Detail != "mail: connection refused" {
				t.Errorf("%s is %+v", name, o)
			}
		}
		if c := p.Counts(); c != (notify.Counts{Lost: 10}) {
			t.Errorf("counted %+v", c)
		}
	})
}

// Messages that do not fit in a digest are counted there, so none is missing.
func TestEverythingIsCounted(t *testing.T) {
	const all = 9000
	mail := &pager{name: "mail", hangs: true}
	bubble(t, notify.Receivers{Mail: mail, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range all {
			l.send(p, "flood", i)
		}
		time.Sleep(time.Hour)
		mail.wakes()
		time.Sleep(time.Hour)
		synctest.Wait()
		got := mail.has()
		if len(got) != 4 || got[3] != "FYI: 8,997 more messages (pbx, digest)" {
			t.Fatalf("sent %q", got)
		}
		named := strings.Count(mail.text(3), "flood ")
		if named != 1000 || !strings.Contains(mail.text(3), "and 7,997 more") {
			t.Errorf("the digest lists %d of %d", named, all-3)
		}
		if len(l.final) != all {
			t.Errorf("%d of %d have an outcome", len(l.final), all)
		}
	})
}

// After a reload, pending messages go to the new receiver at once; without one
// they are lost.
func TestSetWhileItRuns(t *testing.T) {
	before, after := &pager{name: "old", err: errors.New("no such host")}, &pager{name: "new"}
	bubble(t, notify.Receivers{Mail: before, Limit: limit}, func(p *notify.Post, l *ledger) {
		l.send(p, "flood", 0)
		time.Sleep(20 * time.Minute) // the next attempt is minutes away
		synctest.Wait()
		p.Set(notify.Receivers{Mail: after, Within: time.Second, Limit: limit})
		synctest.Wait()
		if got := after.has(); !slices.Equal(got, []string{"flood 0"}) {
			t.Errorf("the new receiver got %q", got)
		}
		after.answers(errors.New("full"))
		l.send(p, "flood", 1)
		synctest.Wait()
		p.Set(notify.Receivers{})
		synctest.Wait()
		if o := l.of("flood 1"); !o.Final || o.Delivered != 0 || o.Detail != "e-mail: the receiver was removed from the configuration" {
			t.Errorf("flood 1 is %+v", o)
		}
		l.send(p, "flood", 2)
		if o := l.of("flood 2"); !o.Final || !o.NoReceiver {
			t.Errorf("flood 2 is %+v", o)
		}
	})
}
