package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/responder/archive"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// logStream reads one of Asterisk's logs.
type logStream struct {
	in     *bufio.Reader
	file   *File
	parser logfile.Parser
	plain  intake.Sensor
	secure intake.Sensor

	last time.Time // of the items so far; a line without a date gets the time of the one before
	over bool
	tail []byte // the last line, if the file ends in the middle of it
	item *item  // destination of the parser's findings
	got  bool
	text []byte
}

func newLog(in *bufio.Reader, file *File, zone *time.Location, latest time.Time) *logStream {
	return &logStream{
		in: in, file: file, parser: logfile.Parser{Clock: logfile.Clock{Location: zone, Latest: latest}, Comments: true},
		plain: intake.SensorLog, secure: intake.SensorSecurityLog,
	}
}

// prepare learns how the log is written. The error is an *logfile.AmbiguousError if its
// dates leave open which number is the day, and says what to do about that. A file that is
// not regular shows only its beginning.
func (s *logStream) prepare(o *Options, regular bool) error {
	p := &s.parser
	p.Tags, p.Clock.Format = o.Tags, o.DateFormat
	head, _ := s.in.Peek(bufferSize) // errors show up when it is read
	err := p.Survey(bytes.NewReader(head), time.Time{})
	var unclear *logfile.AmbiguousError
	if errors.As(err, &unclear) && regular {
		err = s.prepareWhole()
	}
	if err != nil {
		return fmt.Errorf("%w: say which with --dateformat", err)
	}
	return nil
}

// prepareWhole reads the whole file for that.
func (s *logStream) prepareWhole() error {
	in, err := archive.Open(s.file.Path, archive.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	return s.parser.Survey(in, s.parser.Clock.Latest)
}

func (s *logStream) next(it *item) error {
	s.item, s.got = it, false
	for !s.over {
		line, long, err := readLine(s.in)
		if err != nil {
			s.end(line, err)
			break
		}
		s.file.Lines++
		if long {
			s.file.addDamage("too long", nil)
			continue
		}
		before := s.parser.Counts
		s.parser.Line(line, s.take)
		switch {
		case s.parser.Counts.Undated > before.Undated:
			s.file.addDamage("its date cannot be parsed", line)
		case s.parser.Counts.Others > before.Others:
			s.file.addNote("lines of other programs, or that Asterisk shows besides its log", line)
		case s.parser.Counts.Foreign > before.Foreign && len(bytes.TrimSpace(line)) > 0:
			s.file.addDamage("not a line of Asterisk's logger", line)
		}
		if s.got {
			return nil
		}
	}
	if !s.got && s.tail != nil {
		s.parser.Line(s.tail, s.take)
		s.parser.Flush(s.take)
		s.tail = nil
	}
	if s.got {
		return nil
	}
	return io.EOF
}

// end flushes the parser. A line that is cut off at the end of the file was just
// being written; it is not the result of an injected line break.
func (s *logStream) end(line []byte, err error) {
	s.over = true
	switch {
	case errors.Is(err, errCut):
		s.file.Lines++
		if s.parser.IsEntry(line) {
			s.tail = line
		} else {
			s.file.addDamage(err.Error(), line)
		}
	case !errors.Is(err, io.EOF):
		s.file.addDamage(err.Error(), nil)
	}
	s.parser.Flush(s.take)
}

// take copies a finding of the parser.
func (s *logStream) take(r *logfile.Record) {
	if !r.At.IsZero() && !r.At.After(s.parser.Clock.Latest.AddDate(0, 0, 1)) {
		s.last = r.At
	}
	if s.last.IsZero() {
		s.file.addDamage("no line before it has a date", nil)
		return
	}
	s.got = true
	s.file.Read++
	s.file.Trust = s.parser.Trust()
	*s.item = item{at: s.last, sensor: s.plain}
	if r.Security {
		s.item.sensor = s.secure
	}
	switch r.Finding {
	case logfile.Tampered:
		s.item.what = aTampering
	case logfile.Blinded:
		s.item.what = aBlinding
	}
	s.item.event = s.keep(&r.Event)
}

// keep copies an event's text into the stream's own memory.
func (s *logStream) keep(e *event.Event) event.Event {
	kept := *e
	kept.Raw = nil // a replay has no annex
	s.text = s.text[:0]
	views := []*[]byte{&kept.Service, &kept.AccountID, &kept.SessionID, &kept.ACLName, &kept.RequestType, &kept.Challenge}
	for _, v := range views {
		s.text = append(s.text, *v...)
	}
	at := 0
	for _, v := range views {
		n := len(*v)
		*v = s.text[at : at+n : at+n]
		at += n
	}
	return kept
}
