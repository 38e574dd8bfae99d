package replay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/responder/archive"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// Format is the format of a file.
type Format string

// Formats, recognized by a file's first bytes.
const (
	FormatAMI Format = "ami" // a transcript of the manager interface
	FormatLog Format = "log" // security, messages or full
	FormatCDR Format = "cdr" // call records: Master.csv, or an export of the table cdr
)

// File is what was read from one file.
type File struct {
	Path    string
	Format  Format
	Lines   uint64 // lines, or messages of a transcript
	Read    uint64 // those with something to replay
	Damaged uint64 // those that do not fit the format
	Samples []Damage
	Notes   []Note
	Trust   logfile.Trust // of a log: who can have written its lines
}

// Note is something in a file that could be read, but is not fully understood.
type Note struct {
	What  string
	Count uint64
	Line  uint64 // the first
	Text  string // of it, unescaped
}

func (f *File) addNote(what string, text []byte) {
	for i := range f.Notes {
		if f.Notes[i].What == what {
			f.Notes[i].Count++
			return
		}
	}
	f.Notes = append(f.Notes, Note{what, 1, f.Lines, string(text[:min(len(text), maxSample)])})
}

// Damage is one damaged line.
type Damage struct {
	Line uint64
	Why  string
	Text string // its beginning, unescaped
}

// Bounds of the samples of damaged lines.
const (
	maxSamples = 3
	maxSample  = 120
)

func (f *File) addDamage(why string, text []byte) {
	f.Damaged++
	if len(f.Samples) < maxSamples {
		f.Samples = append(f.Samples, Damage{f.Lines, why, string(text[:min(len(text), maxSample)])})
	}
}

// what is the kind of an item.
type what uint8

const (
	anEvent what = iota
	aTampering
	aBlinding
)

// item is one entry of a file. Its event's text is valid until the stream's next
// item.
type item struct {
	what   what
	at     time.Time
	sensor intake.Sensor
	event  event.Event
}

// stream reads the items of one file.
type stream interface {
	next(it *item) error // io.EOF at the end
}

// source is one open file.
type source struct {
	File
	stream  stream
	item    item
	closer  func() error
	again   func() (*source, error) // opens it anew
	regular bool                    // it can be opened again
	n       int                     // its place among the sources
	counted int64                   // bytes of it in the progress
	skip    int64                   // bytes of it that are in the progress already

	secure, plain intake.Sensor // of a log
}

// ask is a source of the call records of a database.
func ask(ctx context.Context, o Options) (*source, error) {
	calls, err := o.Calls(ctx)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	s := &source{File: File{Path: o.CallsName, Format: FormatCDR}, closer: calls.Close, again: func() (*source, error) { return ask(ctx, o) }}
	s.stream = newRecords(calls, &s.File)
	return s, nil
}

const bufferSize = 64 << 10

// open opens a file, which may be compressed, and recognizes its format. read is
// called with the number of bytes of each read from disk. A file that is not
// regular, such as a pipe, cannot contain call records, because those are read
// twice (accountsOf).
func (s *source) open(path string, o *Options, read func(n int)) error {
	raw, err := archive.Open(path, archive.Options{Read: read})
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	s.File, s.closer, s.regular = File{Path: path}, raw.Close, raw.Regular
	if err := s.begin(raw, o); err != nil {
		_ = raw.Close()
		return fmt.Errorf("replay: %s: %w", path, err)
	}
	s.again = func() (*source, error) {
		other := &source{}
		return other, other.open(path, o, func(int) {})
	}
	return nil
}

// begin recognizes a file's format, and makes the stream of its items.
func (s *source) begin(raw *archive.File, o *Options) error {
	in := bufio.NewReaderSize(raw, bufferSize)
	head, _ := in.Peek(4096)
	switch s.Format = sniff(head); s.Format {
	case FormatAMI:
		s.stream = newTranscript(in, &s.File)
	case FormatCDR:
		if !raw.Regular {
			return errors.New("call records are read twice, so they cannot come from a pipe: write them to a file")
		}
		order, err := orderOf(s.Path, head, o, raw.Modified)
		if err != nil {
			return err
		}
		s.stream = newRecords(cdr.NewCSV(in, o.Zone, raw.Modified, order), &s.File)
	default:
		log := newLog(in, &s.File, o.Zone, raw.Modified)
		s.stream = log
		return log.prepare(o, raw.Regular)
	}
	return nil
}

// orderOf is the order of day and month in call records: that of the options, or the one
// that the whole file shows, if it begins with dates whose order matters.
func orderOf(path string, head []byte, o *Options, latest time.Time) (cdr.Order, error) {
	if o.Dates != cdr.Unclear || !cdr.NeedsOrder(head, o.Zone) {
		return o.Dates, nil
	}
	in, err := archive.Open(path, archive.Options{})
	if err != nil {
		return cdr.Unclear, err
	}
	defer in.Close()
	return cdr.FindOrder(in, o.Zone, latest)
}

// sniff recognizes a file's format by its first bytes.
func sniff(head []byte) Format {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	line = bytes.TrimRight(line, "\r")
	for _, start := range []string{"Asterisk Call Manager/", "Event: ", "Response: "} {
		if bytes.HasPrefix(line, []byte(start)) {
			return FormatAMI
		}
	}
	if cdr.Sniff(head) {
		return FormatCDR
	}
	return FormatLog
}

// family is the path of a log without the suffix of its rotation: messages.2.gz
// and messages-20261101 belong to the family messages.
func family(path string) string {
	name := filepath.Base(path)
	if end := strings.IndexAny(name, ".-_"); end > 0 {
		name = name[:end]
	}
	return filepath.Join(filepath.Dir(path), name)
}

// errCut reports that a file ends in the middle of a line.
var errCut = errors.New("the file ends in the middle of it")

// readLine returns the next line without its line feed. A last line without a
// line feed comes with errCut. A line longer than the buffer is skipped and
// reported as long.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = in.ReadSlice('\n')
	}
	if long {
		return nil, true, nil
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return line, false, errCut
	}
	return bytes.TrimSuffix(line, []byte{'\n'}), false, err
}
