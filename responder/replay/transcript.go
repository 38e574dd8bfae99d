package replay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// transcript reads the events of a recording of the manager interface. Only
// security events have a time; the others get the time of the one before.
type transcript struct {
	in     *ami.Reader
	file   *File
	parser event.Parser
	last   time.Time
}

func newTranscript(in *bufio.Reader, file *File) *transcript {
	if head, _ := in.Peek(22); bytes.HasPrefix(head, []byte("Asterisk Call Manager/")) {
		_, _, _ = readLine(in) // the banner
	}
	return &transcript{in: ami.NewReader(in), file: file}
}

func (s *transcript) next(it *item) error {
	for {
		b, err := s.in.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.file.addDamage(err.Error(), nil)
			}
			return io.EOF
		}
		s.file.Lines++
		*it = item{sensor: intake.SensorAMI}
		err = s.parser.Parse(b, &it.event)
		switch {
		case errors.Is(err, event.ErrTampered):
			source, transport, _ := s.parser.TrueSource()
			s.file.addDamage(err.Error(), headline(b))
			it.what, it.event = aTampering, event.Event{Remote: source, Transport: transport}
		case err != nil:
			continue
		}
		if !it.event.At.IsZero() {
			s.last = it.event.At
		}
		if s.last.IsZero() {
			continue // its time is unknown, and it comes before anything of interest
		}
		it.at = s.last
		s.file.Read++
		return nil
	}
}

func headline(b *event.Block) []byte {
	if len(b.Headers) == 0 {
		return nil
	}
	return []byte(string(b.Headers[0].Name) + ": " + string(b.Headers[0].Value))
}
