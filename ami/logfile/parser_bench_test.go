package logfile

import (
	"fmt"
	"testing"
	"time"
)

// benchLines are lines of a busy PBX's log with milliseconds: one of five is a guess.
func benchLines() (lines [][]byte) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for n := range 10000 {
		at = at.Add(7 * time.Millisecond)
		date := at.Format("[2006-01-02 15:04:05.000] ")
		line := date + fmt.Sprintf("VERBOSE[2217][C-%08x] pbx.c: Executing [s@macro-dial:%d] NoOp(\"PJSIP/1001-%08x\", \"\") in new stack", n, n, n)
		if n%5 == 0 {
			line = date + fmt.Sprintf("NOTICE[2217] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1002@192.0.2.1>' failed for '192.0.2.66:5060' (callid: %d) - Failed to authenticate", n)
		}
		lines = append(lines, []byte(line))
	}
	return lines
}

// Parsing a line allocates nothing.
func BenchmarkLine(b *testing.B) {
	lines := benchLines()
	p := Parser{Clock: Clock{Latest: noon}}
	found := 0
	emit := func(*Record) { found++ }
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p.Line(lines[n%len(lines)], emit)
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
}
