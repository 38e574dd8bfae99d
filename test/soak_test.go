package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Environment of the soak.
const (
	soakTime    = "TOLLWARDEN_SOAK"         // how long, such as 1h; not at all without it
	soakPicture = "TOLLWARDEN_SOAK_PICTURE" // where the plot goes, an SVG
)

const (
	soakRate    = 20_000 // events a second
	soakSources = 50_000 // of which each fails now and then, below every threshold
)

// Events at 20,000 a second, all of them read, and neither memory nor
// descriptors that grow.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(soakTime))
	if err != nil {
		t.Skipf("needs time: set %s=1h, or run make soak", soakTime)
	}
	b := newBooth(t, "[[threshold]]\nname = \"g\"\nper = \"source\"\nsignals = { ChallengeResponseFailed = 1 }\nscore = 1000\nwithin = \"1h\"\nplaybook = \"b\"\n[[playbook]]\nname = \"b\"\nsteps = [\"ban\"]\n")
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
	for next := start; time.Since(start) < length; <-tick.C {
		for due := int(time.Since(start).Seconds() * soakRate); sent < due; sent += perTick {
			b.pbx.Raw("security", texts[sent/perTick%len(texts)])
		}
		if now := time.Now(); !now.Before(next) {
			samples = append(samples, soakSample{now.Sub(start), b.memory(), b.descriptors()})
			next = now.Add(max(time.Second, length/500))
		}
	}
	b.wait("every event to be read", func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Asterisk.Events-before.Asterisk.Events >= uint64(sent) && s.Asterisk.Gaps == 0
	})
	settled, last := samples[len(samples)/4], samples[len(samples)-1]
	t.Logf("%d events in %s; memory %.1f MiB after a quarter, %.1f MiB at the end; descriptors %d and %d", sent, time.Since(start).Round(time.Second), settled.memory, last.memory, settled.descriptors, last.descriptors)
	if last.memory > 1.25*settled.memory+16 || last.descriptors > settled.descriptors+8 {
		t.Error("that grows")
	}
	if path := os.Getenv(soakPicture); path != "" {
		if err := os.WriteFile(path, []byte(plotSoak(samples, sent)), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// soakEvents are failures of n sources, each once.
func soakEvents(first, n int) string {
	var text strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&text, "Event: ChallengeResponseFailed\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T00:26:26.070+0000\r\nSeverity: Error\r\nService: PJSIP\r\nEventVersion: 1\r\nAccountID: %d\r\nSessionID: soak-%d\r\nLocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/10.%d.%d.%d/5060\r\nChallenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n\r\n",
			1000+i%500, i, i>>16&255, i>>8&255, i&255)
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
func plotSoak(samples []soakSample, sent int) string {
	const width, height, left, top = 640, 240, 60, 40
	end := samples[len(samples)-1].at.Seconds()
	most, many := 1.0, 1
	for _, s := range samples {
		most, many = max(most, s.memory), max(many, s.descriptors)
	}
	var memory, descriptors strings.Builder
	for _, s := range samples {
		x := left + s.at.Seconds()/max(end, 1)*width
		fmt.Fprintf(&memory, "%.1f,%.1f ", x, top+height-s.memory/(most*1.2)*height)
		fmt.Fprintf(&descriptors, "%.1f,%.1f ", x, top+height-float64(s.descriptors)/(float64(many)*2)*height)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%d" y="20">%d events in %.0f s (%d/s)</text>
<path d="M%d,%dV%dH%d" fill="none" stroke="black"/>
<polyline points="%s" fill="none" stroke="#1f77b4" stroke-width="2"/>
<polyline points="%s" fill="none" stroke="#ff7f0e" stroke-width="2"/>
<text x="%d" y="%d" fill="#1f77b4">resident memory, at most %.0f MiB</text>
<text x="%d" y="%d" fill="#ff7f0e">open descriptors, at most %d</text>
</svg>
`, width+left+20, height+top+50, left, sent, end, soakRate, left, top, top+height, left+width,
		memory.String(), descriptors.String(), left, top+height+20, most, left+300, top+height+20, many)
}
