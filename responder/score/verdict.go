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
	// Proven says that the address in Cause is certain and that observations
	// with a certain address alone reach the threshold: no stranger can have
	// brought this verdict about with forged packets.
	Proven   bool
	Reason   string   // a sentence for people; text from the network in it is quoted and cut
	Cause    Record   // the observation that crossed it
	Evidence []Record // the last observations of the key, the oldest first, Cause included
}

// tally is what a window held when its threshold was crossed.
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

// reason says why a threshold was crossed, like
// "3 points within 1h: 3× ChallengeResponseFailed on 1002". A ban waits for it,
// and fmt takes longer to wake from cold caches than all the rest of a verdict.
func reason(key Key, r *rule, t *tally, evidence []Record, o *Observation) string {
	points := " points within "
	if t.points == 1 {
		points = " point within "
	}
	b := make([]byte, 0, 128)
	b = append(strconv.AppendUint(b, uint64(t.points), 10), points...)
	b = append(b, span(r.threshold.Within)...)
	before := ": "
	for s, n := range t.signals {
		if n > 0 {
			b = strconv.AppendInt(append(b, before...), int64(n), 10)
			b = append(append(b, "× "...), Signal(s).String()...)
			before = ", "
		}
	}
	since := o.At.Add(-r.threshold.Within)
	var others names
	for i := range evidence {
		e := &evidence[i]
		if r.points[e.Signal] == 0 || !e.At.After(since) {
			continue
		}
		if key.Per == PerAccount {
			if e.Source.IsValid() {
				others.add(e.Source.String())
			}
		} else if e.Account != "" && e.Account != event.Unknown {
			others.add(e.Account)
		}
	}
	if key.Per == PerAccount {
		b = others.append(b, " from ")
	} else {
		b = others.append(b, " on ")
	}
	return string(b)
}

// names collects different names in the order they came.
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
		b = append(append(b, before...), safe(name)...)
		before = ", "
	}
	return b
}

// safe shows a name from the network: as it is when that can do no harm and
// be mistaken for nothing else, otherwise quoted; in any case cut.
func safe(name string) string {
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

// span writes a duration without its zeros: 1h, 24h, 1m30s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
