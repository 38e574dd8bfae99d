package logfile

import (
	"bytes"
	"context"
	"os"
	"time"
)

// ReadMissed reads what was written while no process followed the log, emits it, and
// returns. It takes the place of Run, in a Follower of its own. The error is that of the
// log, or of ctx.
func (f *Follower) ReadMissed(ctx context.Context) error {
	defer f.close()
	f.resume()
	if !f.behind {
		return nil
	}
	buf := make([]byte, readSize)
	for ctx.Err() == nil {
		n := f.poll(time.Now(), buf)
		if err := f.Health().Err; err != nil {
			return err
		}
		if n == 0 && !f.behind {
			return nil
		}
	}
	return ctx.Err()
}

// CatchUp waits until what is in the log by now has been emitted, while Run runs in another
// goroutine. The error is that of the log, or of ctx.
func (f *Follower) CatchUp(ctx context.Context) error {
	start := time.Now()
	tick := time.NewTicker(peekInterval)
	defer tick.Stop()
	for {
		f.mu.Lock()
		upTo, err := f.upTo, f.health.Err
		f.mu.Unlock()
		if err != nil || !upTo.Before(start) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Asterisk may write its dates in another time zone than this process has, as in a
// container. The last line of a file was written when the file last changed: if its date is
// off by a multiple of a quarter of an hour, that is the zone.
const (
	zoneStep   = 15 * time.Minute
	zoneLag    = 10 * time.Second // between the date of a line and the change of the file
	widestZone = 27 * time.Hour   // between +14 and -12, with summer time
)

// findShift finds by how much the dates of the log are off.
func (f *Follower) findShift() {
	file, err := os.Open(f.Path)
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return
	}
	text := make([]byte, min(info.Size(), longestLine))
	n, _ := file.ReadAt(text, info.Size()-int64(len(text)))
	written := info.ModTime()
	clock := Clock{Location: time.Local, Latest: written, Format: f.DateFormat, Follows: true}
	u := unwrapper{tags: f.Tags, stamps: stamps{clock: &clock}}
	lines := bytes.Split(bytes.TrimSpace(text[:n]), []byte{'\n'})
	for i := len(lines) - 1; i >= 0; i-- {
		w := u.unwrap(stripColour(lines[i]))
		e, ok := w.entry, len(w.entry.level) > 0
		if !ok {
			e, ok = parseEntry(w.text)
		}
		if !ok {
			continue
		}
		at, dated := w.at, !w.at.IsZero()
		if !dated {
			at, dated = clock.Parse(e.date)
		}
		if dated && !w.zoned {
			f.shift = shiftBetween(at, written)
		}
		return
	}
}

// shiftBetween is what is to be added to a date; 0 if it is not off by a zone.
func shiftBetween(dated, written time.Time) time.Duration {
	off := written.Sub(dated)
	shift := off.Round(zoneStep)
	if lag := off - shift; lag < -time.Second || lag > zoneLag || shift.Abs() > widestZone {
		return 0
	}
	return shift
}

// zone is the time zone of dates without one.
func (f *Follower) zone() *time.Location {
	if f.shift == 0 {
		return time.Local
	}
	_, offset := time.Now().Zone()
	return time.FixedZone("", offset-int(f.shift.Seconds()))
}
