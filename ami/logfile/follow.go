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

// recent counts the last lines.
type recent struct{ before, last Counts }

// fewLines is how many lines recent counts at least, if there are as many.
const fewLines = 2000

// of returns the counts since one of the last lines.
func (r *recent) of(now Counts) Counts {
	if now.Lines-r.last.Lines >= fewLines {
		r.before, r.last = r.last, now
	}
	b := &r.before
	return Counts{
		Lines: now.Lines - b.Lines, Entries: now.Entries - b.Entries, Others: now.Others - b.Others, Foreign: now.Foreign - b.Foreign, Undated: now.Undated - b.Undated,
		Doubtful: now.Doubtful - b.Doubtful, Seen: now.Seen - b.Seen, Tampered: now.Tampered - b.Tampered, Blinded: now.Blinded - b.Blinded,
	}
}

const (
	// pollInterval is how often the log is polled. Lines are parsed one poll after they
	// were read: by then, a manager event for the same attempt has arrived, and the
	// attempt is attributed to the event.
	pollInterval = 100 * time.Millisecond
	// peekInterval is how often the log is searched for lines that no manager event
	// can precede, which are parsed at once.
	peekInterval = 10 * time.Millisecond
	// readSize is how much is read in one poll. If there is more, the next poll follows
	// immediately.
	readSize = 1 << 20
	// longestLine is longer than any line: Asterisk cuts lines at BUFSIZ.
	longestLine = 64 << 10
)

// Follower follows a log as Asterisk writes it. It polls, which works for rotated,
// truncated, missing and mounted files alike and costs two system calls per poll, and
// one for each search in between.
type Follower struct {
	Path string
	// Emit is called for each finding, on Run's goroutine.
	Emit func(*Record)
	// From is where an earlier process stopped reading; the Follower continues there.
	// Without it, the Follower starts at the end of an existing file, or with what was
	// written since Since.
	From *Place
	// Since is since when lines are read that were written before there was a Follower;
	// zero is not at all. It chooses files, not lines: earlier ones are read, too.
	Since time.Time
	// DateFormat is the format of the dates; nil is that which they show.
	DateFormat *DateFormat
	// Hint, if set, returns what the format probably is, or nil: see Clock.Hint. It is
	// called on the Follower's goroutine.
	Hint func() *DateFormat
	// Tags are further names of Asterisk: see Parser.Tags.
	Tags []string

	parser  Parser
	file    *os.File
	here    Place         // identifies file
	offset  int64         // where to read next
	parsed  int64         // where to parse next
	line    int64         // start of the line at parsed
	emitted int64         // start of the first line whose finding is not emitted yet
	missed  int64         // end of the part that was written while no process followed the log
	behind  bool          // the missed part is not read completely
	older   []string      // rotated files to be read before the one at Path, the oldest first
	shift   time.Duration // what is to be added to dates without a zone
	atEnd   time.Time     // when the last poll began, if it read to the end of the file at Path
	started bool          // the first poll is over; new files are read from the start
	unread  []byte        // read, not yet parsed
	partial []byte        // start of an incomplete line
	recent  recent
	skip    bool // inside a line that is too long

	mu     sync.Mutex
	health Health
	place  *Place    // nil before the first poll
	upTo   time.Time // what was written before has been emitted
}

// Health is the state of a Follower.
type Health struct {
	Err      error     // why the log cannot be read, or nil
	LastLine time.Time // when the last line was read; zero if none was
	Rotated  uint64    // number of times that the file was replaced or truncated
	TooLong  uint64    // number of lines skipped because of their length
	Counts   Counts
	// Recent counts the last lines alone, some thousands.
	Recent Counts
	// Trust is who can have written the lines.
	Trust Trust
	// Sample is the beginning of a line in no known form; "" if there was none.
	Sample string
	// Ambiguous is why dates are not read, or nil.
	Ambiguous *AmbiguousError
}

// Health returns the current state. It may be called from any goroutine.
func (f *Follower) Health() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health
}

// Run follows the log until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	defer f.close()
	f.resume()
	tick := time.NewTicker(peekInterval)
	defer tick.Stop()
	buf := make([]byte, readSize)
	for {
		if n := f.poll(time.Now(), buf); n == len(buf) && ctx.Err() == nil {
			continue
		}
		for polled := time.Now(); ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
			if f.isUrgent(buf) {
				f.poll(time.Now(), buf) // reads it; the next poll parses it
				break
			}
			if time.Since(polled) >= pollInterval-peekInterval/2 {
				break
			}
		}
	}
}

// withoutEvents is in the lines of the module that raises no security events.
var withoutEvents = []byte("chan_iax2.c: ")

// isUrgent reports whether what was appended has a line of chan_iax2.
func (f *Follower) isUrgent(buf []byte) bool {
	if f.file == nil {
		return false
	}
	n, _ := f.file.ReadAt(buf[:64<<10], f.offset) // errors show up in the next poll
	return bytes.Contains(buf[:n], withoutEvents)
}

// poll parses what the last poll read, reads more and returns how much.
func (f *Follower) poll(now time.Time, buf []byte) int {
	f.parser.Clock.Location, f.parser.Clock.Latest = f.zone(), now
	f.parse(f.unread)
	f.unread = f.unread[:0]
	upTo := f.atEnd
	n, err := f.read(buf)
	f.unread = append(f.unread, buf[:n]...)
	f.atEnd = time.Time{}
	if n < len(buf) && err == nil && f.file != nil && !f.behind {
		f.atEnd = now
	}
	if n == 0 && len(f.partial) == 0 {
		f.parser.Flush(f.Emit)
		f.emitted = f.line
	}
	f.started = true
	f.mu.Lock()
	defer f.mu.Unlock()
	f.savePlace()
	if !upTo.IsZero() {
		f.upTo = upTo
	}
	f.health.Err, f.health.Counts = err, f.parser.Counts
	f.health.Recent = f.recent.of(f.parser.Counts)
	f.health.Trust, f.health.Sample, f.health.Ambiguous = f.parser.Trust(), f.parser.Sample, f.parser.Clock.Ambiguous()
	if n > 0 {
		f.health.LastLine = now
	}
	return n
}

// read reads what was appended. If there is nothing, it checks for a new file.
func (f *Follower) read(buf []byte) (int, error) {
	if f.file == nil {
		if err := f.openNext(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.ReadAt(buf, f.offset)
	f.offset += int64(n)
	if n > 0 || (err != nil && !errors.Is(err, io.EOF)) {
		if err == nil || errors.Is(err, io.EOF) {
			return n, nil
		}
		f.close() // the mount may be gone; reopened on the next poll
		return n, fmt.Errorf("read log: %w", err)
	}
	return 0, f.replaced()
}

// openNext opens the next rotated file that was missed, or the one at Path.
func (f *Follower) openNext() error {
	for len(f.older) > 0 {
		path := f.older[0]
		f.older = f.older[1:]
		if f.open(path) == nil {
			return nil
		}
	}
	return f.open(f.Path)
}

func (f *Follower) open(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
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
	f.survey(info)
	return nil
}

// survey surveys the end of the file, or what is read of it.
func (f *Follower) survey(info os.FileInfo) {
	p := &f.parser
	p.Tags, p.Clock.Format = f.Tags, f.DateFormat
	if f.Hint != nil {
		p.Clock.Hint = f.Hint()
	}
	p.Clock.Location, p.Clock.Latest = f.zone(), info.ModTime()
	size := info.Size()
	from := min(f.offset, max(0, size-readSize))
	_ = p.Survey(io.NewSectionReader(f.file, from, size-from), info.ModTime()) // if dates stay ambiguous, Health says so once lines arrive
}

// replaced checks whether the file was replaced or truncated after it was read to its
// end.
func (f *Follower) replaced() error {
	current, err := f.file.Stat()
	if err != nil {
		f.close()
		return fmt.Errorf("read log: %w", err)
	}
	if current.Size() < f.offset {
		f.reset()
		f.begin(f.file, current, 0)
		return nil
	}
	atPath, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read log: %w: run `logger reload` in Asterisk to recreate it", err)
	case err != nil:
		return fmt.Errorf("read log: %w", err)
	case !os.SameFile(current, atPath):
		f.reset()
		f.close()
	case len(f.older) == 0:
		f.behind = false
	}
	return nil
}

// reset discards the incomplete last line before another file is read.
func (f *Follower) reset() {
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

// parse splits text into lines and parses them.
func (f *Follower) parse(text []byte) {
	for len(text) > 0 {
		line, rest, complete := bytes.Cut(text, []byte{'\n'})
		text = rest
		f.parsed += int64(len(line))
		if len(f.partial)+len(line) > longestLine {
			f.tooLong()
		}
		if !f.skip && (!complete || len(f.partial) > 0) {
			f.partial = append(f.partial, line...)
			line = f.partial
		}
		if !complete {
			return
		}
		f.parsed++
		if !f.skip {
			f.parser.Missed = f.line < f.missed
			f.parser.Clock.Follows = !f.parser.Missed
			f.parser.Line(line, f.Emit)
			f.advance()
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

// Sample parses the end of the log of f, which must not run, and returns what it is like.
func (f *Follower) Sample(now time.Time) (Health, error) {
	f.Emit = func(*Record) {}
	defer f.close()
	if err := f.open(f.Path); err != nil {
		return Health{}, err
	}
	f.offset = max(0, f.offset-readSize)
	cut := f.offset > 0
	buf := make([]byte, readSize)
	n, err := f.file.ReadAt(buf, f.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return Health{}, fmt.Errorf("read log: %w", err)
	}
	text := buf[:n]
	if cut {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	f.missed = f.offset + int64(n)
	f.parser.Clock.Latest = now
	f.parse(text)
	f.parser.Flush(f.Emit)
	return Health{Counts: f.parser.Counts, Recent: f.parser.Counts, Trust: f.parser.Trust(), Sample: f.parser.Sample, Ambiguous: f.parser.Clock.Ambiguous()}, nil
}
