package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/responder"
)

// fakeEngine announces canaries that arrive, or do not.
type fakeEngine struct {
	deaf        bool
	late        bool          // they arrive by arrive, not at once
	awaited     chan struct{} // the last one
	own, madeUp int
}

func (f *fakeEngine) channel() <-chan struct{} {
	f.awaited = make(chan struct{})
	if !f.late {
		f.arrive()
	}
	return f.awaited
}

func (f *fakeEngine) arrive() {
	if !f.deaf {
		close(f.awaited)
	}
}

func (f *fakeEngine) Canary() (string, <-chan struct{}) { f.madeUp++; return "canary-1", f.channel() }
func (f *fakeEngine) OwnCanary() <-chan struct{}        { f.own++; return f.channel() }

// newTestCanary is a canary whose logins end as login does.
func newTestCanary(e *fakeEngine, log *bytes.Buffer, login func(*ami.Dialer) error) *canary {
	c := newCanary(time.Minute, e, &ami.Dialer{Username: "tollwarden"}, zerolog.New(log))
	c.login = func(_ context.Context, d *ami.Dialer) error { return login(d) }
	return c
}

// unanswered is an event session over which no action gets an answer.
func unanswered(context.Context, string) error { return ami.ErrClosed }

// refuses is one over which Asterisk says that there is no such action.
func refuses(context.Context, string) error {
	return &ami.Error{Action: "x", Message: "Invalid/unknown command"}
}

// Canaries are sent all the time; few of them fail to log in.
func TestCanariesArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &fakeEngine{}
		c := newTestCanary(e, &bytes.Buffer{}, func(d *ami.Dialer) error {
			if d.Username != "tollwarden" {
				return ami.ErrAuth
			}
			return nil
		})
		if check := c.check(time.Now()); check.OK || check.Detail != "none has arrived yet" {
			t.Errorf("before the first: %+v", check)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour-time.Second)
		defer cancel()
		if err := c.run(ctx, unanswered); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if e.madeUp != 4 || e.own != 56 {
			t.Errorf("%d canaries with a made-up name, %d with ours", e.madeUp, e.own)
		}
		if check := c.check(time.Now()); !check.OK || check.Detail != "it came through 59s ago" {
			t.Errorf("%+v", check)
		}
		time.Sleep(3 * time.Minute)
		if check := c.check(time.Now()); check.OK || !strings.HasPrefix(check.Detail, "the last one arrived ") {
			t.Errorf("later: %+v", check)
		}
		c.set(time.Hour)
		if check := c.check(time.Now()); !check.OK {
			t.Errorf("with a longer interval: %+v", check)
		}
	})
}

// A canary that does not arrive ends the session; one that cannot be sent is tried
// again soon.
func TestCanariesAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, log := &fakeEngine{deaf: true}, &bytes.Buffer{}
		refused := 3
		c := newTestCanary(e, log, func(*ami.Dialer) error {
			if refused > 0 {
				refused--
				return errors.New("connection refused")
			}
			return nil
		})
		start := time.Now()
		if err := c.run(t.Context(), unanswered); !errors.Is(err, errDeaf) {
			t.Error(err)
		}
		if took := time.Since(start); took != 3*canaryRetry+canaryWithin {
			t.Errorf("it took %s", took)
		}
		s := c.state(time.Now())
		if s.unsent != 3 || s.lost != 1 || !errors.Is(s.err, errDeaf) || strings.Count(log.String(), "no test event arrived") != 1 {
			t.Errorf("%+v, the log:\n%s", s, log)
		}
		if check := c.check(time.Now()); check.OK || check.Detail != errDeaf.Error() {
			t.Errorf("%+v", check)
		}
		e.deaf = false
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = c.run(ctx, unanswered)
		if c.state(time.Now()).err != nil || !strings.Contains(log.String(), "test events arrive again") {
			t.Errorf("the log:\n%s", log)
		}
	})
}

// A manager port without room for another login is no deaf session: canaries arrive over the
// session that there is, and status names those who fill the port. An Asterisk that raises no
// events is deaf all the same.
func TestCanaryWhenTheManagerPortIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, log, full := &fakeEngine{late: true}, &bytes.Buffer{}, true
		c := newTestCanary(e, log, func(*ami.Dialer) error {
			if full {
				return fmt.Errorf("ami: read the greeting of 127.0.0.1:5038: %w", ami.ErrFull)
			}
			e.arrive()
			return nil
		})
		act := func(ctx context.Context, action string) error {
			e.arrive()
			return refuses(ctx, action)
		}
		c.crowd = func() string { return "50 connections by user www-data" }
		for hour := range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour-time.Second)
			if err := c.run(ctx, act); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
			check, named := c.check(time.Now()), false
			named = strings.Contains(check.Detail, "the manager port is full") && strings.Contains(check.Detail, "50 connections by user www-data")
			if !check.OK || named != full {
				t.Errorf("hour %d: %+v", hour, check)
			}
			if s := c.state(time.Now()); s.lost != 0 || s.unsent != 60 {
				t.Errorf("hour %d: %+v", hour, s)
			}
			full = false
		}
		if strings.Count(log.String(), "nobody can log in") != 1 || strings.Count(log.String(), "are possible again") != 1 {
			t.Errorf("the log:\n%s", log)
		}
		full, e.deaf = true, true
		if err := c.run(t.Context(), act); !errors.Is(err, errDeaf) {
			t.Errorf("a deaf session whose port is full: %v", err)
		}
	})
}

// A login that hangs is no proof of deafness.
func TestCanaryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCanary(time.Minute, &fakeEngine{deaf: true}, &ami.Dialer{}, zerolog.Nop())
		c.login = func(ctx context.Context, _ *ami.Dialer) error { <-ctx.Done(); return ctx.Err() }
		if err := c.send(t.Context()); err == nil || errors.Is(err, errDeaf) || !strings.Contains(err.Error(), "could not be sent") {
			t.Error(err)
		}
	})
}

// An overload is logged once a minute while it goes on.
func TestOverloadIsLogged(t *testing.T) {
	var log bytes.Buffer
	var shed ami.Shed
	o := overload{shed: &shed, log: zerolog.New(&log)}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for second := range 300 {
		if second >= 10 && second < 130 {
			shed.ChallengeSent.Add(1)
		}
		o.look(now.Add(time.Duration(second) * time.Second))
	}
	if n := strings.Count(log.String(), "events arrive faster than they are handled"); n != 2 {
		t.Errorf("logged %d times:\n%s", n, &log)
	}
	if got := log.String(); !strings.Contains(got, "wrong passwords, logins and calls are all handled") || !strings.Contains(got, "may only put its address on probation") {
		t.Errorf("it does not say what is lost:\n%s", got)
	}
}

// A gap is counted, recorded with what covers it, and an alarm if it is not short.
func TestGaps(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var recorded []string
	var alarms []alarm
	read := false
	g := &gaps{
		logIsRead: func() bool { return read },
		record: func(from, to time.Time, learnt string) {
			recorded = append(recorded, fmt.Sprintf("%s %t", to.Sub(from), learnt != ""))
		},
		alarm: func(a alarm) { alarms = append(alarms, a) },
	}
	if gap := g.before(start, ami.Gap{}); !gap.IsZero() {
		t.Errorf("the very first session follows a gap: %+v", gap)
	}
	g.stoppedAt = start.Add(-time.Hour)
	if gap := g.before(start, ami.Gap{}); gap.Length() != time.Hour {
		t.Errorf("after a restart: %+v", gap)
	}
	if gap := g.before(start, ami.Gap{From: start.Add(-time.Minute), To: start}); gap.Length() != time.Minute {
		t.Errorf("after a loss: %+v", gap)
	}
	g.add(ami.Gap{From: start, To: start.Add(time.Second)})
	if g.last.Load().InLog {
		t.Error("a gap without a log counts as covered")
	}
	read = true
	g.add(ami.Gap{From: start, To: start.Add(time.Minute)})
	if got := strings.Join(recorded, ", "); got != "1s false, 1m0s true" {
		t.Errorf("recorded: %s", got)
	}
	if len(alarms) != 1 || alarms[0].Event != alarmGap || !strings.Contains(alarms[0].Text, "from 2026-11-22T12:00:00Z to 2026-11-22T12:01:00Z") {
		t.Errorf("alarms: %+v", alarms)
	}
	if g.count.Load() != 2 || time.Duration(g.length.Load()) != 61*time.Second || g.last.Load().To.Sub(start) != time.Minute || !g.last.Load().InLog {
		t.Errorf("%d gaps of %s", g.count.Load(), time.Duration(g.length.Load()))
	}
}

// What a run leaves is what the next one finds, whatever happened to the file.
func TestLastSeen(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := openLastSeen(dir, zerolog.Nop())
	if !f.seen.Events.IsZero() {
		t.Errorf("a first run finds %+v", f.seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.keep(ctx, nil, func(s lastSeen) lastSeen {
		s.Events, s.Log = at, &logfile.Place{}
		return s
	}); err != nil {
		t.Error(err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if next := openLastSeen(dir, zerolog.Nop()); !next.seen.Events.Equal(at) || next.seen.Log == nil {
		t.Errorf("the next run finds %+v", next.seen)
	}
	path := filepath.Join(dir, "last-seen.json")
	writeFile(t, path, "{\"events\": tr")
	if next := openLastSeen(dir, zerolog.Nop()); !next.seen.Events.IsZero() {
		t.Errorf("in a torn file it finds %+v", next.seen)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	broken := openLastSeen(dir, zerolog.New(&log))
	_ = broken.keep(ctx, nil, func(s lastSeen) lastSeen { return s })
	if err := broken.close(); err != nil || !strings.Contains(log.String(), "will not know since when") {
		t.Errorf("%v, the log:\n%s", err, &log)
	}
}

// Lines that nobody read in time count as of when they were written, old ones not
// at all.
func TestMissedLogLines(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		rec  logfile.Record
		want uint64
	}{
		"now":            {logfile.Record{At: now}, 1},
		"missed":         {logfile.Record{At: now.Add(-time.Hour), Missed: true}, 1},
		"from tomorrow":  {logfile.Record{At: now.Add(time.Hour), Missed: true}, 1},
		"of last week":   {logfile.Record{At: now.Add(-7 * 24 * time.Hour), Missed: true}, 0},
		"a security log": {logfile.Record{At: now, Security: true}, 1},
	} {
		s := sensorOf(t, "", now)
		s.engine = newEngine(t)
		tt.rec.Finding = logfile.Seen
		tt.rec.Event = event.Event{Kind: event.ChallengeResponseFailed, AccountID: []byte("1002"), SessionID: []byte("call-1"), Service: []byte("PJSIP"), Remote: netip.MustParseAddrPort("192.0.2.66:5060")}
		s.report(now, &tt.rec)
		if got := s.engine.Counters().Logged; got != tt.want {
			t.Errorf("%s: %d events, want %d", name, got, tt.want)
		}
	}
}

func TestLogCheck(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	since := now.Add(-time.Hour)
	for name, tt := range map[string]struct {
		health logfile.Health
		senses responder.Senses
		ok     bool
		want   string
	}{
		"quiet":       {logfile.Health{}, responder.Senses{}, true, "read, no line yet"},
		"read":        {logfile.Health{LastLine: now.Add(-time.Second)}, responder.Senses{}, true, "read, last line 1s ago"},
		"gone":        {logfile.Health{Err: errors.New("open log: no such file")}, responder.Senses{}, false, "no such file"},
		"no dates":    {logfile.Health{Recent: logfile.Counts{Lines: 5, Undated: 5}}, responder.Senses{}, false, "dateformat=%F %T"},
		"two orders":  {logfile.Health{Recent: logfile.Counts{Lines: 1, Undated: 1}, Ambiguous: &logfile.AmbiguousError{Text: "03/04/2026 10:00:00"}}, responder.Senses{}, false, "set asterisk.log_dateformat"},
		"foreign":     {logfile.Health{Recent: logfile.Counts{Lines: 500, Entries: 100, Foreign: 400}, Sample: "x"}, responder.Senses{}, false, "400 of its last 500 lines are not in a form of Asterisk's logger"},
		"others'":     {logfile.Health{LastLine: now, Recent: logfile.Counts{Lines: 500, Entries: 1, Others: 499}}, responder.Senses{}, true, "read, last line"},
		"no own line": {logfile.Health{Recent: logfile.Counts{Lines: 500, Others: 500}}, responder.Senses{}, false, "set asterisk.log_tags"},
		"syslog":      {logfile.Health{LastLine: now, Trust: logfile.LocalUsers}, responder.Senses{}, true, "any program on this host can write such lines"},
		"a console":   {logfile.Health{LastLine: now, Trust: logfile.Anyone}, responder.Senses{}, true, "may be spoofed, and no success counts"},
		"no notices":  {logfile.Health{LastLine: now}, responder.Senses{EventFailure: now.Add(-time.Minute)}, false, "does its line in logger.conf include notice"},
		"long ago":    {logfile.Health{LastLine: now}, responder.Senses{EventFailure: now.Add(-2 * time.Hour)}, true, "read"},
		"both see it": {logfile.Health{LastLine: now}, responder.Senses{EventFailure: now, LogFailure: now}, true, "read"},
		"blinded":     {logfile.Health{LastLine: now}, responder.Senses{Blinded: now}, true, "an attacker evades the manager interface, last at 2026-11-22 12:00:00"},
	} {
		if c := checkLog(now, since, tt.health, tt.senses); c.OK != tt.ok || !strings.Contains(c.Detail, tt.want) {
			t.Errorf("%s: %+v, want %q", name, c, tt.want)
		}
	}
	none := sensorOf(t, "", now)
	if c := none.check(now, responder.Senses{}); !c.OK || none.isRead() || none.place() != nil || none.longLines() != 0 || none.run(t.Context()) != nil {
		t.Errorf("without a log: %+v", c)
	}
}
