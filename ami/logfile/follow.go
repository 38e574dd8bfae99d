package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	// followEvery is how often the log is looked at. What was read waits until
	// the next look: an event of the same moment has come by then, and what
	// both sensors saw is the event's.
	followEvery = 100 * time.Millisecond
	// readAtOnce is how much is read in one look. When there is more the next
	// look follows at once.
	readAtOnce = 1 << 20
	// longestLine is what Asterisk cuts a line off at (BUFSIZ), and room.
	longestLine = 64 << 10
)

// Follower reads a log as Asterisk writes it. It polls: that is the same for a
// rotated, a truncated, a missing and a mounted file, and costs two system
// calls a look.
type Follower struct {
	Path string
	// Emit takes each finding, on Run's goroutine.
	Emit func(*Record)
	// From is where another life left off: what was written since is read, too.
	// Without it a file that is there at the start is read from its end on.
	From *Place

	parser  Parser
	file    *os.File
	here    Place  // which file that is
	offset  int64  // in the file, of what is read next
	parsed  int64  // of what is parsed next
	line    int64  // of the line that this is in
	kept    int64  // of the first line whose finding is not told yet
	missed  int64  // up to here the file was written while nobody read it
	behind  bool   // what was missed is not all read
	started bool   // the first look is over: files that appear are read from their beginning
	unread  []byte // read, not yet parsed
	partial []byte // the beginning of a line whose end is not written yet
	skip    bool   // within a line that is too long

	mu     sync.Mutex
	health Health
	place  *Place // nil: nothing was read yet
}

// Health is how a Follower fares.
type Health struct {
	Err      error     // why nothing is read; nil when all is well
	LastLine time.Time // when the last line came; the zero time when none has
	Rotated  uint64    // how often the file was another one, or began anew
	TooLong  uint64    // lines that were passed over for their length
	Counts   Counts
}

// Health tells how it fares. It may be called from any goroutine.
func (f *Follower) Health() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health
}

// Run follows the log until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	defer f.close()
	f.resume()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	buf := make([]byte, readAtOnce)
	for {
		if n := f.look(time.Now(), buf); n == len(buf) && ctx.Err() == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look parses what the last look read and reads on; it returns how much.
func (f *Follower) look(now time.Time, buf []byte) int {
	f.parser.Clock.Location, f.parser.Clock.Latest = time.Local, now
	f.parse(f.unread)
	f.unread = f.unread[:0]
	n, err := f.read(buf)
	f.unread = append(f.unread, buf[:n]...)
	if n == 0 && len(f.partial) == 0 {
		f.parser.Flush(f.Emit)
		f.kept = f.line
	}
	f.started = true
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remember()
	f.health.Err, f.health.Counts = err, f.parser.Counts
	if n > 0 {
		f.health.LastLine = now
	}
	return n
}

// read gives what has been written since, and looks for another file at its
// place when that is nothing.
func (f *Follower) read(buf []byte) (int, error) {
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.ReadAt(buf, f.offset)
	f.offset += int64(n)
	if n > 0 || (err != nil && !errors.Is(err, io.EOF)) {
		if err == nil || errors.Is(err, io.EOF) {
			return n, nil
		}
		f.close() // a mount that went away: tried again from where it is then
		return n, fmt.Errorf("read log: %w", err)
	}
	return 0, f.replaced()
}

func (f *Follower) open() error {
	file, err := os.Open(f.Path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", f.Path)
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("open log: %w", err)
	}
	offset := int64(0)
	if !f.started && !f.behind {
		offset = info.Size()
	}
	f.begin(file, info, offset)
	return nil
}

// replaced sees whether the file, read to its end, is still the one at its
// path, and no shorter than before.
func (f *Follower) replaced() error {
	mine, err := f.file.Stat()
	if err != nil {
		f.close()
		return fmt.Errorf("read log: %w", err)
	}
	if mine.Size() < f.offset {
		f.anew()
		f.begin(f.file, mine, 0)
		return nil
	}
	there, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read log: %w: Asterisk writes it again after `logger reload`", err)
	case err != nil:
		return fmt.Errorf("read log: %w", err)
	case !os.SameFile(mine, there):
		f.anew()
		f.close()
	default:
		f.behind = false
	}
	return nil
}

// anew begins with another file: half a line of the old one is not continued.
func (f *Follower) anew() {
	f.partial, f.skip = f.partial[:0], false
	f.mu.Lock()
	f.health.Rotated++
	f.mu.Unlock()
}

func (f *Follower) close() {
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
}

// parse cuts what was read into lines.
func (f *Follower) parse(text []byte) {
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		text = rest
		f.parsed += int64(len(line))
		if len(f.partial)+len(line) > longestLine {
			f.tooLong()
		}
		if !f.skip && (!whole || len(f.partial) > 0) {
			f.partial = append(f.partial, line...)
			line = f.partial
		}
		if !whole {
			return
		}
		f.parsed++
		if !f.skip {
			f.parser.Missed = f.line < f.missed
			f.parser.Line(line, f.Emit)
			f.keep()
		}
		f.partial, f.skip, f.line = f.partial[:0], false, f.parsed
	}
}

func (f *Follower) tooLong() {
	if !f.skip {
		f.mu.Lock()
		f.health.TooLong++
		f.mu.Unlock()
	}
	f.partial, f.skip = f.partial[:0], true
}

// Sample reads the end of a log and says what its lines are like.
func Sample(now time.Time, path string) (Counts, error) {
	f := Follower{Path: path, Emit: func(*Record) {}}
	defer f.close()
	if err := f.open(); err != nil {
		return Counts{}, err
	}
	f.offset = max(0, f.offset-readAtOnce)
	cut := f.offset > 0
	buf := make([]byte, readAtOnce)
	n, err := f.file.ReadAt(buf, f.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return Counts{}, fmt.Errorf("read log: %w", err)
	}
	text := buf[:n]
	if cut {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	f.parser.Clock = Clock{Location: time.Local, Latest: now}
	f.parse(text)
	f.parser.Flush(f.Emit)
	return f.parser.Counts, nil
}
