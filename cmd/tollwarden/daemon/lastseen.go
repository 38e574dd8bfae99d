package daemon

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/logfile"
)

// lastSeen is what one run of the daemon leaves to the next: until when it got
// events, so that the time between is known as a gap and read from Asterisk's log.
type lastSeen struct {
	Events time.Time      `json:"events"` // last sign of life of the event session
	Log    *logfile.Place `json:"log,omitempty"`
}

// rememberEvery is how much of the log is read twice at most after the daemon was
// killed.
const rememberEvery = time.Second

// lastSeenFile holds it on disk. It is overwritten in place, so that a full disk
// does not make it stale.
type lastSeenFile struct {
	path string
	log  zerolog.Logger
	file *os.File // nil: it could not be opened yet
	seen lastSeen // what the file held at the start, then what was last written
}

// openLastSeen reads what the previous run left: nothing at the first start, or if
// the file cannot be read, which prevents no start.
func openLastSeen(data string, log zerolog.Logger) *lastSeenFile {
	f := &lastSeenFile{path: filepath.Join(data, "last-seen.json"), log: log}
	if f.open() == nil && json.NewDecoder(f.file).Decode(&f.seen) != nil {
		f.seen = lastSeen{}
	}
	return f
}

func (f *lastSeenFile) open() (err error) {
	f.file, err = os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	return err
}

// write replaces what the file holds. What remains of a longer text behind it is
// not read.
func (f *lastSeenFile) write(s lastSeen) error {
	if f.file == nil {
		if err := f.open(); err != nil {
			f.file = nil
			return err
		}
	}
	text, err := json.Marshal(s)
	if err == nil {
		_, err = f.file.WriteAt(append(text, '\n'), 0)
	}
	f.seen = s
	return err
}

func (f *lastSeenFile) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// keep writes what update makes of the last state: from time to time, whenever now
// says so, and when ctx ends.
func (f *lastSeenFile) keep(ctx context.Context, now <-chan struct{}, update func(lastSeen) lastSeen) error {
	tick := time.NewTicker(rememberEvery)
	defer tick.Stop()
	failed := false
	for {
		over := false
		select {
		case <-tick.C:
		case <-now:
		case <-ctx.Done():
			over = true
		}
		err := f.write(update(f.seen))
		if err != nil && !failed {
			f.log.Error().Err(err).Msg("the next start will not know since when no events arrived")
		}
		failed = err != nil
		if over {
			return nil
		}
	}
}
