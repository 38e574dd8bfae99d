package ledger

import (
	"slices"
	"testing"
	"time"
)

// The last number of each prefix counts, apart from its offences; what is forgotten
// is gone, and old ones are not asked for.
func TestRepeats(t *testing.T) {
	path := file(t)
	l := open(t, path)
	guesser, network, other := prefix("192.0.2.66/32"), prefix("2001:db8:66::/48"), prefix("192.0.2.67/32")
	for n := 1; n <= 3; n++ {
		l.PutRepeat(Record{guesser, n, noon.Add(time.Duration(n) * time.Minute)})
	}
	l.PutRepeat(Record{network, 7, noon})
	l.PutRepeat(Record{other, 2, noon})
	l.AddOffence(guesser, noon)
	l.ForgetRepeats(other)
	l.ForgetOffences(network)
	flush(t, l)
	l.Close()
	l = open(t, path)
	want := []Record{{guesser, 3, noon.Add(3 * time.Minute)}, {network, 7, noon}}
	got := must[[]Record](t)(l.Repeats(t.Context(), noon))
	slices.SortFunc(got, func(a, b Record) int { return comparePrefix(a.Prefix, b.Prefix) })
	same(t, "repeats", got, want)
	same(t, "newer repeats", must[[]Record](t)(l.Repeats(t.Context(), noon.Add(2*time.Minute))), want[:1])
	same(t, "offences", records(t, l, noon), []Record{{guesser, 1, noon}})
}
