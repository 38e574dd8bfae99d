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

// pager is a receiver that remembers what it got.
type pager struct {
	name string

	mu    sync.Mutex
	got   []string // subjects
	texts []string
	tries int
	err   error // what it answers
	hangs bool  // it takes the call and says nothing
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

// wakes ends its silence, and says how often it was tried.
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

// ledger keeps what became of each message.
type ledger struct {
	mu   sync.Mutex
	last map[string]notify.Outcome
	over map[string]int
}

// tell sends message n of a kind.
func (l *ledger) tell(p *notify.Post, kind string, n int) {
	name := fmt.Sprintf("%s %d", kind, n)
	p.Tell(&notify.Message{Kind: kind, At: time.Now(), Subject: name, Text: name}, func(o notify.Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last[name] = o
		if o.Over {
			l.over[name]++
		}
	})
}

// of is what is known of a message.
func (l *ledger) of(name string) notify.Outcome { return l.all()[name] }

func (l *ledger) all() map[string]notify.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.last)
}

// bubble plays with a Post in virtual time.
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
		l := &ledger{last: map[string]notify.Outcome{}, over: map[string]int{}}
		play(p, l)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for name, n := range l.over {
			if n != 1 {
				t.Errorf("%s was over %d times", name, n)
			}
		}
	})
}

var limit = notify.Limit{AtOnce: 3, Digest: 15 * time.Minute}

// The first few of a kind go out at once, then one digest names every other; a
// storm of one kind does not hide another; syslog gets all of it.
func TestDigest(t *testing.T) {
	mail, syslog := &pager{name: "mail"}, &pager{name: "syslog"}
	bubble(t, notify.Receivers{Mail: mail, Syslog: syslog, Limit: limit}, func(p *notify.Post, l *ledger) {
		start := time.Now()
		for i := range 50 {
			l.tell(p, "storm", i)
			time.Sleep(time.Second)
		}
		l.tell(p, "break-in", 0)
		synctest.Wait()
		if got := mail.has(); !slices.Equal(got, []string{"storm 0", "storm 1", "storm 2", "break-in 0"}) {
			t.Errorf("told singly: %q", got)
		}
		if o := l.of("storm 3"); o.Over || o.Detail != "mail: comes with a digest; syslog told" {
			t.Errorf("storm 3 is %+v", o)
		}
		time.Sleep(limit.Digest - time.Since(start) + time.Second)
		synctest.Wait()
		got := mail.has()
		if len(got) != 5 || got[4] != "[tollwarden] 47 more messages from pbx" {
			t.Fatalf("told: %q", got)
		}
		for i := 3; i < 50; i++ {
			name := fmt.Sprintf("storm %d", i)
			if !strings.Contains(mail.text(4), name+"\n") {
				t.Errorf("the digest does not name %s", name)
			}
			if o := l.of(name); !o.Over || o.Told != 2 || o.Detail != "mail told; syslog told" {
				t.Errorf("%s is %+v", name, o)
			}
		}
		if n := len(syslog.has()); n != 51 {
			t.Errorf("syslog got %d lines", n)
		}
		// A quiet hour, and it begins anew.
		time.Sleep(time.Hour)
		l.tell(p, "storm", 50)
		synctest.Wait()
		if got := mail.has(); len(got) != 6 || got[5] != "storm 50" {
			t.Errorf("after a quiet hour: %q", got[5:])
		}
	})
}

// Whoever is dead, slow or rude delays no other receiver, and what it missed is
// told when it comes back: the first singly, the others in one digest.
func TestDeadReceiver(t *testing.T) {
	mail, hook := &pager{name: "mail", hangs: true}, &pager{name: "hook"}
	bubble(t, notify.Receivers{Mail: mail, Webhook: hook, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 5 {
			l.tell(p, "storm", i)
		}
		time.Sleep(time.Millisecond) // far less than the mail's time limit
		synctest.Wait()
		if c := p.Counts(); c != (notify.Counts{Told: 3, Waiting: 7}) {
			t.Errorf("counted %+v", c)
		}
		if got := hook.has(); len(got) != 3 {
			t.Errorf("beside a receiver that hangs the other got %q", got)
		}
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if c := p.Counts(); c != (notify.Counts{Told: 5, Waiting: 5, Unanswered: 5}) {
			t.Errorf("counted %+v", c)
		}
		if o := l.of("storm 0"); o.Over || o.Told != 1 || o.Detail != "hook told; mail: not yet: no answer within 10s" {
			t.Errorf("storm 0 is %+v", o)
		}
		// 1 s, 2 s, 4 s … 10 min, half as long again at most, each after 10 s.
		if n := mail.wakes(); n < 35 || n > 140 {
			t.Errorf("tried %d times in ten hours", n)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if got := mail.has(); !slices.Equal(got, []string{"storm 0", "storm 1", "storm 2", "[tollwarden] 2 more messages from pbx"}) {
			t.Errorf("when it came back it got %q", got)
		}
		for name, o := range l.all() {
			if !o.Over || o.Told != 2 {
				t.Errorf("%s is %+v", name, o)
			}
		}
	})
}

// A message that a receiver does not take holds up no other: the next digest
// names it.
func TestRefusedMessage(t *testing.T) {
	hook := &pager{name: "hook", err: notify.Refusal{Err: errors.New("413 too large")}}
	bubble(t, notify.Receivers{Webhook: hook, Limit: limit}, func(p *notify.Post, l *ledger) {
		l.tell(p, "large", 0)
		synctest.Wait()
		hook.answers(nil)
		l.tell(p, "small", 0)
		synctest.Wait()
		if got := hook.has(); !slices.Equal(got, []string{"small 0"}) {
			t.Errorf("told %q", got)
		}
		time.Sleep(limit.Digest)
		synctest.Wait()
		if got := hook.has(); len(got) != 2 || !strings.Contains(hook.text(1), "large 0") {
			t.Errorf("told %q", hook.has())
		}
		if o := l.of("large 0"); !o.Over || o.Told != 1 {
			t.Errorf("large 0 is %+v", o)
		}
	})
}

// A digest that is refused is given up, and the next one counts it; what comes
// meanwhile is told at once.
func TestRefusedDigest(t *testing.T) {
	hook := &pager{name: "hook"}
	bubble(t, notify.Receivers{Webhook: hook, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 5 {
			l.tell(p, "storm", i)
		}
		synctest.Wait()
		if c := p.Counts(); c != (notify.Counts{Told: 3, Waiting: 2}) {
			t.Errorf("a digest that is not due counts as %+v", c)
		}
		hook.answers(notify.Refusal{Err: errors.New("413 too large")})
		time.Sleep(limit.Digest)
		synctest.Wait()
		hook.answers(nil)
		l.tell(p, "break-in", 0)
		synctest.Wait()
		if got := hook.has(); len(got) != 4 || got[3] != "break-in 0" {
			t.Errorf("after a refused digest: %q", got)
		}
		if o := l.of("storm 4"); !o.Over || o.Told != 0 || o.Detail != "hook: 413 too large" {
			t.Errorf("storm 4 is %+v", o)
		}
		if c := p.Counts(); c != (notify.Counts{Told: 4, Lost: 2}) {
			t.Errorf("counted %+v", c)
		}
		time.Sleep(limit.Digest)
		synctest.Wait()
		if got := hook.has(); len(got) != 5 || got[4] != "[tollwarden] 2 more messages from pbx" {
			t.Errorf("the next digest: %q", got)
		}
	})
}

// Whoever reaches some of several people has told, and says who is missing.
func TestPartlyTold(t *testing.T) {
	mail := &pager{name: "mail", err: notify.Partly{Err: errors.New("boss@example.org: no such user")}}
	bubble(t, notify.Receivers{Mail: mail, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 4 {
			l.tell(p, "storm", i)
		}
		time.Sleep(limit.Digest)
		synctest.Wait()
		for name, o := range l.all() {
			if !o.Over || o.Told != 1 || o.Detail != "mail told, but not all: boss@example.org: no such user" {
				t.Errorf("%s is %+v", name, o)
			}
		}
		if n := mail.wakes(); n != 4 {
			t.Errorf("tried %d times, want 3 letters and a digest", n)
		}
	})
}

// What nobody took for a day is given up, and said to be.
func TestGivenUp(t *testing.T) {
	mail := &pager{name: "mail", err: errors.New("connection refused")}
	bubble(t, notify.Receivers{Mail: mail, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range 10 {
			l.tell(p, "storm", i)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		for name, o := range l.all() {
			if !o.Over || o.Told != 0 || o.Detail != "mail: connection refused" {
				t.Errorf("%s is %+v", name, o)
			}
		}
		if c := p.Counts(); c != (notify.Counts{Lost: 10}) {
			t.Errorf("counted %+v", c)
		}
	})
}

// More than can be named is counted: every message is in a digest, one way or
// the other.
func TestEverythingIsCounted(t *testing.T) {
	const all = 9000
	mail := &pager{name: "mail", hangs: true}
	bubble(t, notify.Receivers{Mail: mail, Limit: limit}, func(p *notify.Post, l *ledger) {
		for i := range all {
			l.tell(p, "storm", i)
		}
		time.Sleep(time.Hour)
		mail.wakes()
		time.Sleep(time.Hour)
		synctest.Wait()
		got := mail.has()
		if len(got) != 4 || got[3] != fmt.Sprintf("[tollwarden] %d more messages from pbx", all-3) {
			t.Fatalf("told %q", got)
		}
		named := strings.Count(mail.text(3), "storm ")
		if named != 1000 || !strings.Contains(mail.text(3), fmt.Sprintf("and %d more", all-3-named)) {
			t.Errorf("the digest names %d of %d", named, all-3)
		}
		if len(l.over) != all {
			t.Errorf("%d of %d have an outcome", len(l.over), all)
		}
	})
}

// A reload changes who is told: what waits goes to the new receiver, at once;
// without one it is over.
func TestSetWhileItRuns(t *testing.T) {
	old, is := &pager{name: "old", err: errors.New("no such host")}, &pager{name: "new"}
	bubble(t, notify.Receivers{Mail: old, Limit: limit}, func(p *notify.Post, l *ledger) {
		l.tell(p, "storm", 0)
		time.Sleep(20 * time.Minute) // the next try is minutes away
		synctest.Wait()
		p.Set(notify.Receivers{Mail: is, Within: time.Second, Limit: limit})
		synctest.Wait()
		if got := is.has(); !slices.Equal(got, []string{"storm 0"}) {
			t.Errorf("the new receiver got %q", got)
		}
		is.answers(errors.New("full"))
		l.tell(p, "storm", 1)
		synctest.Wait()
		p.Set(notify.Receivers{})
		synctest.Wait()
		if o := l.of("storm 1"); !o.Over || o.Told != 0 || o.Detail != "e-mail: is no receiver any more" {
			t.Errorf("storm 1 is %+v", o)
		}
		l.tell(p, "storm", 2)
		if o := l.of("storm 2"); !o.Over || !o.Deaf {
			t.Errorf("storm 2 is %+v", o)
		}
	})
}
