package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/intake"
)

const (
	// maxMissed is the age up to which log lines count that were written while
	// the daemon was away.
	maxMissed = 24 * time.Hour
	// logLag is how long the log may lack failures that the events report until
	// the check says so.
	logLag = time.Minute
)

// logSensor follows Asterisk's log, the second source of events.
type logSensor struct {
	follower *logfile.Follower // nil: asterisk.log is not set
	engine   *responder.Engine
	since    time.Time // the start of the daemon
	before   logBefore
}

// newLogSensor continues where the previous run stopped; from is nil if there was
// none: then with the last day. engine is to be set before run.
func newLogSensor(cfg *config.Config, from *logfile.Place, since time.Time) (s *logSensor, err error) {
	s = &logSensor{since: since, before: newLogBefore()}
	if cfg.Asterisk.Log == "" {
		return s, nil
	}
	if s.follower, err = settings.Follower(cfg); err != nil {
		return nil, err
	}
	s.follower.From, s.follower.Since = from, since.Add(-maxMissed)
	s.follower.Emit = func(rec *logfile.Record) { s.report(time.Now(), rec) }
	return s, nil
}

// run follows the log until ctx ends.
func (s *logSensor) run(ctx context.Context) error {
	if s.follower == nil {
		return nil
	}
	f := s.follower
	s.before.read(ctx, s.since, &logfile.Follower{Path: f.Path, From: f.From, Since: f.Since, DateFormat: f.DateFormat, Hint: f.Hint, Tags: f.Tags})
	select {
	case <-s.before.askedC:
	case <-time.After(reportAfter):
	case <-ctx.Done():
		return nil
	}
	return s.follower.Run(ctx)
}

// report passes on what a line says. What was not read in time is scored as of when
// it happened.
func (s *logSensor) report(now time.Time, rec *logfile.Record) {
	if rec.Missed {
		if now.Sub(rec.At) > maxMissed {
			return
		}
		if rec.At.Before(now) {
			now = rec.At
		}
	}
	sensor := intake.SensorLog
	if rec.Security {
		sensor = intake.SensorSecurityLog
	}
	if rec.Event.At.IsZero() {
		rec.Event.At = rec.At // a line of the log other than a security event's
	}
	switch rec.Finding {
	case logfile.Seen:
		s.engine.Report(now, sensor, &rec.Event)
	case logfile.Tampered:
		s.engine.ReportTampering(now, sensor, &rec.Event)
	case logfile.Blinded:
		s.engine.ReportBlinding(now)
	}
}

// isRead says whether there is a log and it can be read.
func (s *logSensor) isRead() bool { return s.follower != nil && s.follower.Health().Err == nil }

// place is how far the log has been read; nil if it is not.
func (s *logSensor) place() *logfile.Place {
	if s.follower == nil {
		return nil
	}
	return s.follower.Place()
}

// longLines counts lines that were too long to read.
func (s *logSensor) longLines() uint64 {
	if s.follower == nil {
		return 0
	}
	return s.follower.Health().TooLong
}

// check says whether the log is read, and whether an attacker evades the events.
func (s *logSensor) check(now time.Time, senses responder.Senses) control.Check {
	if s.follower == nil {
		return control.Check{Name: "log", OK: true, Detail: "asterisk.log is not set: an attacker who evades the manager interface is not seen, and nothing is known of the time before the start"}
	}
	return checkLog(now, s.since, s.follower.Health(), senses)
}

func checkLog(now, since time.Time, h logfile.Health, senses responder.Senses) control.Check {
	c := control.Check{Name: "log"}
	if senses.LogFailure.Before(since) {
		senses.LogFailure = since // the first canary may be logged before the log is opened at its end
	}
	switch {
	case h.Err != nil:
		c.Detail = h.Err.Error()
	case settings.LogProblem(h) != "":
		c.Detail = settings.LogProblem(h)
	case senses.EventFailure.Sub(senses.LogFailure) > logLag && now.Sub(senses.EventFailure) < time.Hour:
		c.Detail = fmt.Sprintf("the events report failures at %s, the log does not: does its line in logger.conf include notice, and was it reopened after its rotation?", senses.EventFailure.Format(time.DateTime))
	case h.LastLine.IsZero():
		c.OK, c.Detail = true, "read, no line yet"
	default:
		c.OK, c.Detail = true, "read, last line "+ago(now, h.LastLine)
	}
	if spoofed := settings.LogTrust(h.Trust); c.OK && spoofed != "" {
		c.Detail += "; " + spoofed
	}
	if !senses.Blinded.IsZero() {
		c.Detail += fmt.Sprintf("; an attacker evades the manager interface, last at %s", senses.Blinded.Format(time.DateTime))
	}
	return c
}
