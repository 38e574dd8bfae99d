package logfile_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/ami/logfile/logforms"
)

// FuzzForms checks that no line in any form causes a panic, and that what a sender writes
// into one never becomes a confirmed address. That is the only other one, 192.0.2.66.
func FuzzForms(f *testing.F) {
	latest := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	hostile := logforms.Entry{Level: "NOTICE", File: "manager.c", Function: "f", Message: "8.8.8.8 failed to authenticate as 'a'"}
	for i, form := range logforms.Forms {
		f.Add(byte(i), form.Write(latest, hostile))
		f.Add(byte(i), "x\n"+form.Write(latest, hostile)+form.Write(latest, hostile))
	}
	f.Fuzz(func(t *testing.T, which byte, text string) {
		form := logforms.Forms[int(which)%len(logforms.Forms)]
		name := text[:min(len(text), 255)] // the longest that chan_iax2 takes
		lines := form.Write(latest, logforms.Entry{Level: "WARNING", File: "chan_iax2.c", Function: "f", Message: "Host 192.0.2.66:4569 failed to authenticate as " + name})
		p := logfile.Parser{Clock: logfile.Clock{Latest: latest}}
		_ = p.Survey(strings.NewReader(lines+text), latest)
		for line := range strings.SplitSeq(strings.Repeat(lines, 2), "\n") {
			p.Line([]byte(line), func(r *logfile.Record) {
				if !form.Refused && r.Event.Proven() && r.Event.Remote.Addr() != netip.MustParseAddr("192.0.2.66") {
					t.Errorf("%q proves %s", lines, r.Event.Remote)
				}
			})
		}
		for line := range strings.SplitSeq(text, "\n") { // arbitrary lines
			p.Line([]byte(line), func(*logfile.Record) {})
		}
	})
}
