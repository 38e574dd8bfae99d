package logfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"time"
)

const (
	// surveySize is how much of a log is surveyed at least: enough to see what it is.
	surveySize = 128 << 10
	// backwards is by how much the lines of a log may be out of order.
	backwards = 2 * time.Hour
)

// Survey reads a log ahead of its lines, and learns what these do not show one by one: in
// which order its dates have day and month, and whether it was copied from Asterisk's console.
// written is when the log was last changed; zero if that is not known. The error is an
// *AmbiguousError if the dates leave their order open, or that of r.
func (p *Parser) Survey(r io.Reader, written time.Time) error {
	s := survey{clock: &p.Clock}
	u := unwrapper{tags: p.Tags, stamps: stamps{clock: &p.Clock}}
	in := bufio.NewReaderSize(r, longestLine)
	read := 0
	for read < surveySize || len(s.possible) > 1 {
		line, err := in.ReadSlice('\n')
		read += len(line)
		if err == nil {
			p.surveyLine(&u, &s, bytes.TrimSuffix(line, []byte{'\n'}))
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
	}
	return s.settle(written)
}

func (p *Parser) surveyLine(u *unwrapper, s *survey, line []byte) {
	w := u.unwrap(stripColour(line))
	if !w.ours {
		return
	}
	e, ok := w.entry, len(w.entry.level) > 0
	if !ok {
		e, ok = parseEntry(w.text)
	}
	if w.form == formBare {
		switch {
		case ok:
			p.console.entries++
		case isConsoleText(w.text):
			p.console.others++
		}
	}
	if ok && w.at.IsZero() && len(e.date) > 0 && len(e.date) <= longestDate {
		s.learn(e.date)
	}
}

// survey narrows down the format of the dates.
type survey struct {
	clock    *Clock
	possible []*DateFormat
	ordered  []ordered // by the formats in possible
	text     []byte    // the last date
}

// ordered says whether the dates are in order, by one format.
type ordered struct {
	last time.Time
	back bool
}

// learn takes the next date.
func (s *survey) learn(text []byte) {
	if s.clock.Format != nil || bytes.Equal(text, s.text) {
		return
	}
	if _, known := s.clock.Parse(text); known && len(s.possible) == 0 {
		return
	}
	s.text = append(s.text[:0], text...)
	kept := s.possible[:0]
	for i, f := range s.possible {
		at, ok := s.clock.readAs(f, text)
		if !ok {
			continue
		}
		o := s.ordered[i]
		o.back = o.back || at.Before(o.last.Add(-backwards))
		o.last = at
		s.ordered[len(kept)] = o
		kept = append(kept, f)
	}
	if s.possible = kept; len(kept) == 0 { // the first date, or one of another format
		s.possible = s.clock.possible(text)
		s.ordered = make([]ordered, len(s.possible))
		for i, f := range s.possible {
			s.ordered[i].last, _ = s.clock.readAs(f, text)
		}
	}
	if len(s.possible) == 1 {
		s.clock.use(s.possible[0])
		s.possible = nil
	}
}

// settle decides what the dates left open.
func (s *survey) settle(written time.Time) error {
	if len(s.possible) > 1 {
		inOrder := slices.Clone(s.possible)
		inOrder = slices.DeleteFunc(inOrder, func(f *DateFormat) bool { return s.ordered[slices.Index(s.possible, f)].back })
		if len(inOrder) > 0 {
			s.possible = inOrder
		}
	}
	if len(s.possible) > 1 {
		s.possible = s.clock.settle(s.text, s.possible)
	}
	if len(s.possible) > 1 && !written.IsZero() {
		s.possible = s.clock.writtenAt(s.text, s.possible, written)
	}
	switch len(s.possible) {
	case 0:
		return nil
	case 1:
		s.clock.use(s.possible[0])
		return nil
	}
	if _, same := s.clock.sameTime(s.text, s.possible); same {
		return nil
	}
	return &AmbiguousError{Text: string(s.text), Formats: s.possible}
}
