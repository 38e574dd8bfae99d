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
	for read < surveySize || len(s.possible) > 1 && s.claimed == nil {
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
		s.learn(e.date, s.carried > 0)
	}
	s.carried = max(0, s.carried-len(line)-1)
	if !ok || carrier(&e) > 0 {
		s.carried = carriedWithin
	}
}

// survey narrows down the format of the dates. A line that may be text of a sender does not
// decide: it counts only where no other line does, and the dates by it are the closest.
type survey struct {
	clock    *Clock
	possible []*DateFormat
	ordered  []ordered   // by the formats in possible
	text     []byte      // the last date
	carried  int         // the next bytes may be a sender's text
	claimed  *DateFormat // what a sender's text may have shown
	disputed bool        // such texts show several
}

// ordered is what the dates are by one format.
type ordered struct {
	last     time.Time
	back     bool      // not in order
	from, to time.Time // the earliest and the latest
}

func (o *ordered) widen(at time.Time) {
	if o.from.IsZero() || at.Before(o.from) {
		o.from = at
	}
	if at.After(o.to) {
		o.to = at
	}
}

// learn takes the next date. carried means that a sender may have written it.
func (s *survey) learn(text []byte, carried bool) {
	if s.clock.Format != nil || bytes.Equal(text, s.text) {
		return
	}
	if len(s.clock.formats) > 0 && len(s.possible) == 0 {
		if _, known := s.clock.Parse(text); known {
			return
		}
	}
	possible := s.possible
	if len(possible) == 0 {
		possible = s.clock.possible(text)
	}
	if carried && len(s.clock.formats) == 0 && s.claim(text, possible) {
		return
	}
	s.text = append(s.text[:0], text...)
	if !s.narrow(text, carried) { // the first date, or one of another format
		s.possible = s.clock.possible(text)
		s.ordered = make([]ordered, len(s.possible))
		s.narrow(text, carried)
	}
	if len(s.possible) == 1 {
		s.clock.use(s.possible[0])
		s.possible = nil
	}
}

// claim notes the format that a date of a sender's may show, and reports whether it is the
// only one.
func (s *survey) claim(text []byte, possible []*DateFormat) bool {
	var by *DateFormat
	for _, f := range possible {
		if _, ok := s.clock.readAs(f, text); !ok {
			continue
		}
		if by != nil {
			return false
		}
		by = f
	}
	s.disputed = s.disputed || s.claimed != nil && by != nil && by != s.claimed
	if s.claimed == nil {
		s.claimed = by
	}
	return true
}

// narrow keeps the formats by which the next date can be read. It reports whether there are
// any; if there are none, it leaves them alone.
func (s *survey) narrow(text []byte, carried bool) bool {
	var kept []*DateFormat
	var how []ordered
	for i, f := range s.possible {
		at, ok := s.clock.readAs(f, text)
		if !ok {
			continue
		}
		o := s.ordered[i]
		if !carried {
			o.back = o.back || at.Before(o.last.Add(-backwards))
			o.last = at
		}
		o.widen(at)
		kept, how = append(kept, f), append(how, o)
	}
	if len(kept) == 0 {
		return false
	}
	s.possible, s.ordered = kept, how
	return true
}

// closest reports whether the dates are as close together by a format as by any other.
func (s *survey) closest(f *DateFormat) bool {
	of := s.ordered[slices.Index(s.possible, f)]
	return !slices.ContainsFunc(s.ordered, func(o ordered) bool { return o.to.Sub(o.from) < of.to.Sub(of.from) })
}

// settle decides what the dates left open.
func (s *survey) settle(written time.Time) error {
	if len(s.clock.formats) == 0 && s.claimed != nil && !s.disputed &&
		(len(s.possible) == 0 || slices.Contains(s.possible, s.claimed) && s.closest(s.claimed)) {
		s.possible = []*DateFormat{s.claimed}
	}
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
