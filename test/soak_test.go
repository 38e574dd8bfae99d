package test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Environment of the soak.
const (
	soakTime    = "TOLLWARDEN_SOAK"         // how long, such as 1h; not at all without it
	soakPace    = "TOLLWARDEN_SOAK_RATE"    // events a second, 20,000 without it
	soakPicture = "TOLLWARDEN_SOAK_PICTURE" // where the plot goes, an SVG
)

const (
	soakRate    = 20_000
	soakSources = 50_000 // of which each succeeds, asks, and fails below every threshold
)

// soakRules: what everybody does bans nobody; a scanner is banned for a minute.
const soakRules = `
[bans]
ladder = ["1m"]
[[threshold]]
name = "guessing"
per = "source"
signals = { ChallengeResponseFailed = 1 }
score = 1000
within = "10m"
playbook = "block"
[[threshold]]
name = "scanning"
per = "source"
signals = { InvalidAccountID = 1 }
score = 3
within = "1h"
playbook = "block"
[[playbook]]
name = "block"
steps = ["ban"]
`

// Events at 20,000 a second, all of them read, a ban every second, and neither
// memory nor descriptors that grow.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(soakTime))
	if err != nil {
		t.Skipf("needs time: set %s=1h, or run make soak", soakTime)
	}
	rate := float64(soakRate)
	if text := os.Getenv(soakPace); text != "" {
		if rate, err = strconv.ParseFloat(text, 64); err != nil {
			t.Fatal(err)
		}
	}
	b := newBooth(t, soakRules)
	b.start()
	const perTick = soakRate / 100
	texts := make([]string, soakSources/perTick)
	for i := range texts {
		texts[i] = soakEvents(i*perTick, perTick)
	}
	before, err := b.client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var samples []soakSample
	start, sent := time.Now(), 0
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	scanners := 0
	for next := start; time.Since(start) < length; <-tick.C {
		for due := int(time.Since(start).Seconds() * rate); sent < due; sent += perTick {
			b.pbx.Raw("security", texts[sent/perTick%len(texts)])
		}
		for ; scanners < int(time.Since(start).Seconds()); scanners++ {
			b.pbx.Raw("security", soakScan(scanners))
			sent += scans
		}
		if now := time.Now(); !now.Before(next) {
			samples = append(samples, soakSample{now.Sub(start), b.memory(), b.descriptors()})
			next = now.Add(max(time.Second, length/300))
		}
	}
	samples = append(samples, soakSample{time.Since(start), b.memory(), b.descriptors()})
	passed := uint64(0)
	b.wait("every event to be read", func() bool {
		s, err := b.client().Status(t.Context())
		passed = s.Counters["events_shed"]
		return err == nil && s.Asterisk.Events-before.Asterisk.Events+passed >= uint64(sent) && s.Asterisk.Gaps == 0 && s.Counters["incidents"]+s.Counters["joined_verdicts"] == uint64(scanners)
	})
	settled, last := samples[len(samples)/4], samples[len(samples)-1]
	t.Logf("%d events in %s, %d of them skipped, %d bans; memory %.1f MiB after a quarter, %.1f MiB at the end; descriptors %d and %d", sent, last.at.Round(time.Second), passed, scanners, settled.memory, last.memory, settled.descriptors, last.descriptors)
	if last.memory > 1.25*settled.memory+16 || last.descriptors > settled.descriptors+8 {
		t.Error("that grows")
	}
	if path := os.Getenv(soakPicture); path != "" {
		if err := os.WriteFile(path, []byte(plotSoak(samples, sent, passed)), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// soakEvents are events of n sources: in five, two challenges, two successes and
// a failure.
func soakEvents(first, n int) string {
	var text strings.Builder
	for i := first; i < first+n; i++ {
		source, account := fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), fmt.Sprint(1000+i%500)
		switch session := fmt.Sprint("soak-", i); i % 5 {
		case 0, 1:
			text.WriteString(security("ChallengeSent", account, session, source, "Challenge: \r\n"))
		case 2, 3:
			text.WriteString(security("SuccessfulAuth", account, session, source, "UsingPassword: 1\r\n"))
		default:
			text.WriteString(security("ChallengeResponseFailed", account, session, source, "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n"))
		}
	}
	return text.String()
}

const scans = 3 // what a scanner gets to do

func soakScan(n int) string {
	var text strings.Builder
	for i := range scans {
		text.WriteString(security("InvalidAccountID", "admin", fmt.Sprintf("scan-%d-%d", n, i), fmt.Sprintf("172.16.%d.%d", n>>8&255, n&255), ""))
	}
	return text.String()
}

// soakSample is the daemon's process at one moment.
type soakSample struct {
	at          time.Duration
	memory      float64 // MiB resident
	descriptors int
}

func (b *booth) memory() (mib float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(rest, &mib)
		}
	}
	return mib / 1024
}

func (b *booth) descriptors() int {
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.cmd.Process.Pid))
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list)
}

// plotSoak draws memory and descriptors over time.
func plotSoak(samples []soakSample, sent int, passed uint64) string {
	const width, height, left, top = 640, 200, 60, 40
	end := samples[len(samples)-1].at
	most, many := 1.0, 1
	for _, s := range samples {
		most, many = max(most, s.memory), max(many, s.descriptors)
	}
	x := func(at time.Duration) float64 { return left + at.Seconds()/max(end.Seconds(), 1)*width }
	var memory, descriptors, axis strings.Builder
	for _, s := range samples {
		fmt.Fprintf(&memory, "%.0f,%.0f ", x(s.at), top+height-s.memory/(most*1.2)*height)
		fmt.Fprintf(&descriptors, "%.0f,%.0f ", x(s.at), top+height-float64(s.descriptors)/(float64(many)*2)*height)
	}
	for i := range 5 {
		at := end * time.Duration(i) / 4
		fmt.Fprintf(&axis, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x(at), top+height+16, at.Round(time.Second))
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%d" y="20">%d events in %s, %.0f a second, %d of them skipped; make soak FOR=%s RATE=%s on %s</text>
<path d="M%d,%dV%dH%d" fill="none" stroke="black"/>
%s<polyline points="%s" fill="none" stroke="#1f77b4" stroke-width="2"/>
<polyline points="%s" fill="none" stroke="#ff7f0e" stroke-width="2"/>
<text x="%d" y="%d" fill="#1f77b4">resident memory, from 0 to %.0f MiB at most, %.0f MiB at the end</text>
<text x="%d" y="%d" fill="#ff7f0e">open descriptors, from 0 to %d at most, %d at the end</text>
</svg>
`, width+left+40, height+top+50, left, sent, end.Round(time.Second), float64(sent)/end.Seconds(), passed, os.Getenv(soakTime), cmp.Or(os.Getenv(soakPace), strconv.Itoa(soakRate)), time.Now().Format(time.DateOnly),
		left, top, top+height, left+width, axis.String(), memory.String(), descriptors.String(),
		left, top+height+38, most, samples[len(samples)-1].memory, left+340, top+height+38, many, samples[len(samples)-1].descriptors)
}
