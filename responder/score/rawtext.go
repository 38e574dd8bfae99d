package score

import (
	"net/netip"
	"time"
)

const (
	// rawTextBytes is the memory for texts, in bytes: about 7,000 events.
	rawTextBytes = 4 << 20
	maxRawTexts  = 1 << 13
	// MaxRaw is the maximum length of a text, in bytes. Events are usually shorter,
	// but senders can make them longer.
	MaxRaw = 4 << 10
)

// rawTexts holds the texts of the newest observations kept as evidence, exactly as the
// sensor received them. They are much larger than notes, so they share one ring and are
// kept only for a while: under heavy attack, slow attackers keep their notes but lose
// their texts.
type rawTexts struct {
	text []byte // a ring; nil until first used
	refs []rawTextRef
	end  uint64 // bytes written in total
	n    uint64 // texts written in total
}

// rawTextRef locates a text by time and source.
type rawTextRef struct {
	at     int64  // µs since 1970, as in the note
	begin  uint64 // in the bytes written in total
	size   uint32
	source [16]byte
}

// keep stores the text of an observation. An observation without text gets a reference
// too, so that it is not mixed up with another one of the same time.
func (r *rawTexts) keep(o *Observation) {
	if r.text == nil {
		if len(o.Raw) == 0 {
			return
		}
		r.text, r.refs = make([]byte, rawTextBytes), make([]rawTextRef, maxRawTexts)
	}
	raw := o.Raw[:min(len(o.Raw), MaxRaw)]
	if rest := rawTextBytes - r.end%rawTextBytes; rest < uint64(len(raw)) {
		r.end += rest // texts are contiguous
	}
	copy(r.text[r.end%rawTextBytes:], raw)
	r.refs[r.n%maxRawTexts] = rawTextRef{o.At.UnixMicro(), r.end, uint32(len(raw)), o.Source.As16()}
	r.end += uint64(len(raw))
	r.n++
}

// disorder is how far texts may be out of order, in µs: two sensors read the clock
// before they wait for each other.
const disorder = 1000

// find returns the text of the nth observation with that time and source, or nil if it
// is gone. The result points into the ring. The search relies on increasing times, so it
// may miss texts that a log delivered late or that follow a clock set back.
func (r *rawTexts) find(at time.Time, source netip.Addr, nth int) []byte {
	µs, from := at.UnixMicro(), source.As16()
	low, high := r.n-min(r.n, maxRawTexts), r.n
	for low < high {
		if middle := low + (high-low)/2; r.refs[middle%maxRawTexts].at < µs-disorder {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for ; low < r.n && r.refs[low%maxRawTexts].at <= µs+disorder; low++ {
		ref := &r.refs[low%maxRawTexts]
		if ref.at != µs || ref.source != from {
			continue
		}
		if nth--; nth < 0 && r.end-ref.begin <= rawTextBytes {
			return r.text[ref.begin%rawTextBytes:][:ref.size]
		}
	}
	return nil
}

// RawTexts returns the texts that records were parsed from, at most MaxRaw bytes each,
// or "" where the text is gone.
func (t *Table) RawTexts(records []Record) []string {
	texts := make([]string, len(records))
	for i, r := range records {
		nth := 0
		for _, before := range records[:i] {
			if before.At.Equal(r.At) && before.Source == r.Source {
				nth++
			}
		}
		texts[i] = string(t.rawTexts.find(r.At, r.Source, nth))
	}
	return texts
}

// CopyRawTexts copies the texts of another table.
func (t *Table) CopyRawTexts(from *Table) { t.rawTexts = from.rawTexts }
