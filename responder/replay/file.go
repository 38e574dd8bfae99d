package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/logfile"
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

	// Of a log, the lines of Asterisk's logger, and those of other programs. Trust is who
	// can have written them.
	Entries, Others uint64
	Trust           logfile.Trust
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
	stream stream
	item   item
	closer func() error
	again  func() (*source, error) // opens call records anew
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
func open(path string, zone *time.Location, read func(n int)) (*source, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	info, err := raw.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder: give the files in it", path)
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("replay: %w", err)
	}
	in := bufio.NewReaderSize(&counter{raw, read}, bufferSize)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("replay: %s: %w", path, err)
		}
		in = bufio.NewReaderSize(unzipped, bufferSize)
	}
	s := &source{File: File{Path: path}, closer: raw.Close}
	latest := info.ModTime()
	head, _ := in.Peek(4096)
	switch s.Format = sniff(head); s.Format {
	case FormatAMI:
		s.stream = newTranscript(in, &s.File)
	case FormatCDR:
		if !info.Mode().IsRegular() {
			_ = raw.Close()
			return nil, fmt.Errorf("replay: %s: call records are read twice, so they cannot come from a pipe: write them to a file", path)
		}
		s.stream = newRecords(cdr.NewCSV(in, zone, latest), &s.File)
		s.again = func() (*source, error) { return open(path, zone, func(int) {}) }
	default:
		s.stream = newLog(in, &s.File, zone, latest)
	}
	return s, nil
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

// counter reports the number of bytes of each read.
type counter struct {
	r    io.Reader
	read func(n int)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read(n)
	return n, err
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
