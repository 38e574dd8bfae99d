package score

import (
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Verdict is a threshold crossed by a key. It owns its memory.
type Verdict struct {
	At        time.Time // of the observation that crossed it
	Key       Key
	Threshold *Threshold
	Score     int // points within the threshold's time
	// Proven is true if the address in Cause is genuine and if observations with a
	// genuine address alone reach the threshold, so that spoofed packets cannot have
	// caused the verdict.
	Proven   bool
	Reason   string   // for people; text from the network is quoted and cut
	Cause    Record   // the observation that crossed it
	Evidence []Record // the last observations of the key, including Cause, the oldest first
}

// tally counts the contents of a window when its threshold was crossed.
type tally struct {
	points, proven uint32
	signals        [signalCount]int
}

func (n *nodes) tally(w window, r *rule, last cell) tally {
	var t tally
	count := func(c cell) {
		p := r.points[c.signal()]
		t.points += p
		if c.proof() == Proven {
			t.proven += p
		}
		t.signals[c.signal()]++
	}
	n.each(w, count)
	count(last)
	return t
}

// count is how many observations there were.
func (t *tally) count() (n uint32) {
	for _, signals := range t.signals {
		n += uint32(signals)
	}
	return n
}

// reason returns why a threshold was crossed, such as
// "3 wrong passwords for 1002 within 1h". The ban waits for it, so it
// does not use fmt, which takes longer with cold caches than the rest of a verdict.
func reason(key Key, r *rule, t *tally, evidence []Record, o *Observation) string {
	b := appendSignals(make([]byte, 0, 128), &t.signals)
	since := o.At.Add(-r.threshold.Within)
	var others names
	for i := range evidence {
		e := &evidence[i]
		if r.points[e.Signal] == 0 || !e.At.After(since) {
			continue
		}
		if key.Per.named() {
			if e.Source.IsValid() {
				others.add(e.Source.String())
			}
		} else if e.Account != "" && e.Account != event.Unknown {
			others.add(e.Account)
		}
	}
	if key.Per.named() {
		b = others.append(b, " from ")
	} else {
		b = others.append(b, " for ")
	}
	b = append(append(b, " within "...), Span(r.threshold.Within)...)
	if t.points != t.count() {
		b = strconv.AppendUint(append(b, " ("...), uint64(t.points), 10)
		b = append(b, " points)"...)
	}
	return string(b)
}

// names is a list of distinct names in order of appearance.
type names []string

func (n *names) add(name string) {
	for _, have := range *n {
		if have == name {
			return
		}
	}
	*n = append(*n, name)
}

func (n names) append(b []byte, before string) []byte {
	const shown = 3
	for i, name := range n {
		if i == shown {
			b = strconv.AppendInt(append(b, " and "...), int64(len(n)-shown), 10)
			return append(b, " more"...)
		}
		b = append(append(b, before...), Printable(name)...)
		before = ", "
	}
	return b
}

// Printable returns a name from the network for display: unchanged if it is harmless and
// unambiguous, otherwise quoted; long names are cut.
func Printable(name string) string {
	const most = 40
	cut := ""
	if len(name) > most {
		name, cut = name[:most], "…"
	}
	for _, c := range []byte(name) {
		if !plain(c) {
			return strconv.QuoteToASCII(name) + cut
		}
	}
	return name + cut
}

func plain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	default:
		return strings.IndexByte("._-+*#:", c) >= 0
	}
}

// Span formats a duration without zero units: 1h, 24h, 1m30s.
func Span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
