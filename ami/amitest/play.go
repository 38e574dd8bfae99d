package amitest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// Pace says how long to wait before the next event of a transcript, which was
// recorded that long after the one before.
type Pace func(recorded time.Duration) time.Duration

// AtOnce plays without waiting.
func AtOnce(time.Duration) time.Duration { return 0 }

// AsRecorded plays as it was recorded, as far as the events tell the time.
func AsRecorded(recorded time.Duration) time.Duration { return recorded }

// Every plays one event in each interval.
func Every(interval time.Duration) Pace {
	return func(time.Duration) time.Duration { return interval }
}

// Play raises the events of a captured transcript, byte for byte as they stand,
// to the sessions whose mask holds their class. The banner and the responses of
// the transcript are left out. What a stranger's value broke off an event, and
// so has no Privilege line of its own, goes with the event. It returns the
// number of events raised.
func (p *PBX) Play(ctx context.Context, transcript []byte, pace Pace) (events int, err error) {
	var last time.Time
	for _, e := range script(transcript) {
		var recorded time.Duration
		if !e.at.IsZero() {
			if !last.IsZero() {
				recorded = max(0, e.at.Sub(last))
			}
			last = e.at
		}
		if wait := pace(recorded); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return events, fmt.Errorf("amitest: play: %w", ctx.Err())
		}
		p.Raw(e.class, e.text)
		events++
	}
	return events, nil
}

// scene is one event of a transcript.
type scene struct {
	class, text string
	at          time.Time
}

// script cuts a transcript into its events.
func script(transcript []byte) (scenes []scene) {
	const end = "\r\n\r\n"
	if bytes.HasPrefix(transcript, []byte("Asterisk Call Manager/")) {
		_, transcript, _ = bytes.Cut(transcript, []byte("\r\n"))
	}
	for block := range strings.SplitAfterSeq(string(transcript), end) {
		if !strings.HasSuffix(block, end) || strings.HasPrefix(block, "Response: ") {
			continue
		}
		class, _, found := strings.Cut(after(block, "\r\nPrivilege: "), ",all")
		switch {
		case found:
			s := scene{class: class, text: block}
			s.at, _ = time.Parse("2006-01-02T15:04:05.000-0700", after(block, "\r\nEventTV: "))
			scenes = append(scenes, s)
		case len(scenes) > 0:
			scenes[len(scenes)-1].text += block
		}
	}
	return scenes
}

// after gives the rest of the line after a mark, or "".
func after(block, mark string) string {
	_, rest, _ := strings.Cut(block, mark)
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}
