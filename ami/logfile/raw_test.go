package logfile

import (
	"slices"
	"strings"
	"testing"
)

// Raw holds the lines of a finding; of a torn entry, all of them.
func TestRaw(t *testing.T) {
	guess := request("<sip:1002@x>", "192.0.2.66:5060", "1", "Failed to authenticate")
	torn := securityLine("InvalidAccountID", "PJSIP", "x\r\nRemoteAddress: IPV4/UDP/8.8.8.8/5", "s", "IPV4/UDP/192.0.2.66/5060", "")
	p := Parser{Clock: Clock{Latest: noon}}
	var got []string
	emit := func(r *Record) { got = append(got, string(r.Event.Raw)) }
	for line := range strings.SplitSeq(guess+"\n"+torn+"\n"+stamp+"VERBOSE[55] pbx.c: next\n"+guess, "\n") {
		p.Line([]byte(line), emit)
	}
	p.Flush(emit)
	if want := []string{guess, torn, guess}; !slices.Equal(got, want) {
		t.Errorf("found in %q, want %q", got, want)
	}
}
