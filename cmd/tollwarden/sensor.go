package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// maxMissed is how long ago something may have been written into the log that
// nobody read then.
const maxMissed = 24 * time.Hour

// newLogSensor follows Asterisk's log for the responder, from where the life of
// the daemon before left off; from is nil when there was none.
func newLogSensor(path string, from *logfile.Place, r *responder.Engine) *logfile.Follower {
	return &logfile.Follower{Path: path, From: from, Emit: func(rec *logfile.Record) { passOn(r, time.Now(), rec) }}
}

// passOn passes on what a line of the log told. What was missed is scored as of
// when it happened.
func passOn(r *responder.Engine, now time.Time, rec *logfile.Record) {
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
	switch rec.Finding {
	case logfile.Seen:
		r.Report(now, sensor, &rec.Event)
	case logfile.Tampered:
		r.ReportTampering(now, sensor, &rec.Event)
	case logfile.Blinded:
		r.ReportBlinding(now)
	}
}

// logLag is how long the log may stay silent about failures that the events
// tell of, before it is said that it does not hold them.
const logLag = time.Minute

// eyes says how the log sensor fares, and whether somebody hides from the
// events.
func (k desk) eyes(now time.Time) control.Check {
	c := control.Check{Name: "log"}
	if k.d.second == nil {
		c.OK, c.Detail = true, "asterisk.log is not set: who hides from the manager interface is not seen"
		return c
	}
	h, senses := k.d.second.Health(), k.d.engine.Senses(now)
	if senses.LogFailure.Before(k.d.since) {
		senses.LogFailure = k.d.since // the first canary may be logged before the log is opened at its end
	}
	switch {
	case h.Err != nil:
		c.Detail = h.Err.Error()
	case h.Counts.Lines > 0 && h.Counts.Undated == h.Counts.Lines:
		c.Detail = "the dates of its lines are not understood: use logger.conf's dateformat=%F %T"
	case senses.EventFailure.Sub(senses.LogFailure) > logLag && now.Sub(senses.EventFailure) < time.Hour:
		c.Detail = fmt.Sprintf("the events tell of failures at %s, the log does not: does its line in logger.conf have notice, and was it reopened after its rotation?", senses.EventFailure.Format(time.DateTime))
	default:
		c.OK, c.Detail = true, logWords(now, h)
	}
	if !senses.Blinded.IsZero() {
		c.Detail += fmt.Sprintf("; somebody hides from the manager interface, last at %s", senses.Blinded.Format(time.DateTime))
	}
	return c
}

func logWords(now time.Time, h logfile.Health) string {
	if h.LastLine.IsZero() {
		return "read, no line yet"
	}
	return fmt.Sprintf("read, last line %s ago", now.Sub(h.LastLine).Round(time.Second))
}

// checkLog reads the end of Asterisk's log, and recommends one where there is
// none.
func checkLog(_ context.Context, w io.Writer, cfg *config.Config) error {
	if cfg.Asterisk.Log == "" {
		fmt.Fprintln(w, "none. An attacker whose Call-ID is not UTF-8 raises no event at all and guesses unseen; the log still names him.\n"+
			"  Set asterisk.log to a file that logger.conf gives notice, warning and error, such as /var/log/asterisk/messages.")
		return nil
	}
	counts, err := logfile.Sample(time.Now(), cfg.Asterisk.Log)
	if err != nil {
		return err
	}
	if counts.Lines > 0 && counts.Foreign+counts.Undated >= counts.Lines {
		return fmt.Errorf("none of the last %d lines of %s is understood: use logger.conf's dateformat=%%F %%T", counts.Lines, cfg.Asterisk.Log)
	}
	fmt.Fprintf(w, "ok: %s can be read; of its last %d lines %d tell of attempts.\n", cfg.Asterisk.Log, counts.Lines, counts.Seen)
	return nil
}
