package score

import (
	"net/netip"
	"time"
)

const (
	// rawRoom is the memory for texts, in bytes: some 7,000 events.
	rawRoom = 4 << 20
	rawRefs = 1 << 13
	// MaxRaw is how much of one text is kept, in bytes. Asterisk's own events have
	// less; a stranger can make them longer.
	MaxRaw = 4 << 10
)

// raws are the texts of the newest observations kept as evidence, word for word
// as the sensor had them. They are far larger than the notes, so that they are
// kept for a while only, and for all keys together: when many strangers make
// many mistakes, the notes of the slow ones stay and their texts do not.
type raws struct {
	text []byte // a ring; nil until the first
	refs []rawRef
	end  uint64 // bytes written since the beginning
	n    uint64 // texts written since the beginning
}

// rawRef is where a text is: of the bytes written since the beginning. It is
// found by its time and its source.
type rawRef struct {
	at     int64 // µs since 1970, as in the note
	begin  uint64
	size   uint32
	source [16]byte
}

// keep copies the text of an observation. One without has a place of its own, so
// that it is not given another one's text of the same moment.
func (r *raws) keep(o *Observation) {
	if r.text == nil {
		if len(o.Raw) == 0 {
			return
		}
		r.text, r.refs = make([]byte, rawRoom), make([]rawRef, rawRefs)
	}
	raw := o.Raw[:min(len(o.Raw), MaxRaw)]
	if rest := rawRoom - r.end%rawRoom; rest < uint64(len(raw)) {
		r.end += rest // a text lies in one piece
	}
	copy(r.text[r.end%rawRoom:], raw)
	r.refs[r.n%rawRefs] = rawRef{o.At.UnixMicro(), r.end, uint32(len(raw)), o.Source.As16()}
	r.end += uint64(len(raw))
	r.n++
}

// disorder is how far from the order of their times texts may be written, in
// µs: two sensors take the time before they wait for each other.
const disorder = 1000

// find is the text of the observation of that time and source: the nth, where
// there are several. It is the ring's own; nil when it is gone. Times rise:
// what a log told late, or a clock that was set back, may not be found.
func (r *raws) find(at time.Time, source netip.Addr, nth int) []byte {
	µs, from := at.UnixMicro(), source.As16()
	low, high := r.n-min(r.n, rawRefs), r.n
	for low < high {
		if middle := low + (high-low)/2; r.refs[middle%rawRefs].at < µs-disorder {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for ; low < r.n && r.refs[low%rawRefs].at <= µs+disorder; low++ {
		ref := &r.refs[low%rawRefs]
		if ref.at != µs || ref.source != from {
			continue
		}
		if nth--; nth < 0 && r.end-ref.begin <= rawRoom {
			return r.text[ref.begin%rawRoom:][:ref.size]
		}
	}
	return nil
}

// Raws are the texts that records were read from, word for word up to MaxRaw
// bytes each; "" for one that is no longer kept.
func (t *Table) Raws(records []Record) []string {
	texts := make([]string, len(records))
	for i, r := range records {
		nth := 0
		for _, before := range records[:i] {
			if before.At.Equal(r.At) && before.Source == r.Source {
				nth++
			}
		}
		texts[i] = string(t.raws.find(r.At, r.Source, nth))
	}
	return texts
}

// KeepRaws takes over the texts of another table.
func (t *Table) KeepRaws(from *Table) { t.raws = from.raws }
