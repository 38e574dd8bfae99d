package logfile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/ami/logfile/logforms"
)

// A line allocates nothing for its form, once that is known.
func TestFormsAllocateNothing(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, berlin)
	for _, f := range logforms.Forms {
		if f.Refused {
			continue
		}
		p := logfile.Parser{Clock: logfile.Clock{Location: berlin, Latest: at.Add(time.Hour)}}
		if f.DateFormat != "" {
			p.Clock.Format, _ = logfile.ParseDateFormat(f.DateFormat)
		}
		var lines [][]byte
		for n := range 4 {
			for line := range strings.SplitSeq(f.Write(at.Add(time.Duration(n)*time.Second), logforms.Guess("203.0.113.66:50")), "\n") {
				lines = append(lines, []byte(line))
			}
		}
		buf := make([]byte, 0, 4096)
		found := 0
		emit := func(*logfile.Record) { found++ }
		parse := func() {
			for _, line := range lines {
				buf = append(buf[:0], line...)
				p.Line(buf, emit)
			}
		}
		parse()
		if n := testing.AllocsPerRun(50, parse); n > 2*4 { // per guess, the text of its address; another one for chan_iax2
			t.Errorf("%s: %v allocations for %d lines", f.Name, n, len(lines))
		}
		if found == 0 {
			t.Errorf("%s: nothing was found", f.Name)
		}
	}
}
