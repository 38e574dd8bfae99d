package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// Format is what a file holds.
type Format string

// The formats that are told apart by a file's first bytes.
const (
	FormatAMI Format = "ami" // a transcript of the manager interface
	FormatLog Format = "log" // security, messages or full
	FormatCDR Format = "cdr" // call records of cdr_csv: Master.csv
)

// File is one file that was read.
type File struct {
	Path    string
	Format  Format
	Lines   uint64 // lines, or blocks of a transcript
	Read    uint64 // that tell of something
	Damaged uint64 // that are not what the file should hold
	Samples []Damage
}

// Damage is one damaged line.
type Damage struct {
	Line uint64
	Why  string
	Text string // its beginning, as it stands there
}

// Bounds of what is kept of damaged lines.
const (
	maxSamples = 3
	maxSample  = 120
)

func (f *File) damaged(why string, text []byte) {
	f.Damaged++
	if len(f.Samples) < maxSamples {
		f.Samples = append(f.Samples, Damage{f.Lines, why, string(text[:min(len(text), maxSample)])})
	}
}

// what an item is.
type what uint8

const (
	anEvent what = iota
	aTampering
	aBlinding
)

// item is one thing that a file tells. Its event's text is valid until the
// stream's next item.
type item struct {
	what   what
	at     time.Time
	sensor intake.Sensor
	event  event.Event
}

// stream gives the items of one file.
type stream interface {
	next(it *item) error // io.EOF at the end
}

// source is one open file.
type source struct {
	File
	stream stream
	item   item
	closer func() error
}

const bufferSize = 64 << 10

// open opens a file, a compressed one too, and sees what it holds. read is told
// the bytes taken from the disk. What is no regular file, such as a pipe, can be
// anything but call records: those are read twice (accountsOf).
func open(path string, zone *time.Location, read func(n int)) (*source, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	info, err := raw.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder: name its files", path)
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
			return nil, fmt.Errorf("replay: %s: call records are read twice, and this is no regular file: write them to one and name that", path)
		}
		s.stream = newRecords(in, &s.File, zone, latest)
	default:
		s.stream = newLog(in, &s.File, zone, latest)
	}
	return s, nil
}

// sniff sees by its first bytes what a file holds.
func sniff(head []byte) Format {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	line = bytes.TrimRight(line, "\r")
	for _, start := range []string{"Asterisk Call Manager/", "Event: ", "Response: "} {
		if bytes.HasPrefix(line, []byte(start)) {
			return FormatAMI
		}
	}
	if fields, ok := splitCSV(line, nil); ok && len(fields) >= cdrFields && line[0] == '"' {
		return FormatCDR
	}
	return FormatLog
}

// family is the name of a log without what its rotation adds: messages.2.gz
// and messages-20261101 are of the family messages.
func family(path string) string {
	name := filepath.Base(path)
	if end := strings.IndexAny(name, ".-_"); end > 0 {
		name = name[:end]
	}
	return filepath.Join(filepath.Dir(path), name)
}

// counter tells what is read.
type counter struct {
	r    io.Reader
	read func(n int)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read(n)
	return n, err
}

// errCut says that a file ends within a line.
var errCut = errors.New("the file ends within it")

// readLine gives the next line without its line feed; with errCut the last one,
// which has none. A line longer than the buffer is passed over and gives long.
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
