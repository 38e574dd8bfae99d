package amitest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// Pace returns how long to wait before the next event of a transcript. recorded is the time
// between the two events in the recording.
type Pace func(recorded time.Duration) time.Duration

// AtOnce does not wait.
func AtOnce(time.Duration) time.Duration { return 0 }

// AsRecorded waits as long as in the recording, if the events have a time.
func AsRecorded(recorded time.Duration) time.Duration { return recorded }

// Every returns a Pace with a fixed interval.
func Every(interval time.Duration) Pace {
	return func(time.Duration) time.Duration { return interval }
}

// Play raises the events of a captured transcript, byte for byte, for the sessions
// subscribed to their class. It skips the banner and the responses. A part of an event that
// was split off by injected text, and so has no Privilege line, is sent with the event.
// Play returns the number of events raised.
func (p *PBX) Play(ctx context.Context, transcript []byte, pace Pace) (events int, err error) {
	var last time.Time
	for _, e := range split(transcript) {
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

// recordedEvent is one event of a transcript.
type recordedEvent struct {
	class, text string
	at          time.Time
}

// split splits a transcript into its events.
func split(transcript []byte) (events []recordedEvent) {
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
			s := recordedEvent{class: class, text: block}
			s.at, _ = time.Parse("2006-01-02T15:04:05.000-0700", after(block, "\r\nEventTV: "))
			events = append(events, s)
		case len(events) > 0:
			events[len(events)-1].text += block
		}
	}
	return events
}

// after returns the rest of the line after a mark, or "".
func after(block, mark string) string {
	_, rest, _ := strings.Cut(block, mark)
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}
