package score

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// The text of an observation is told with its evidence, each one's own, as long
// as there is room.
func TestRaws(t *testing.T) {
	table := newTable(t, Limits{}, guessing[0])
	o := seen(start, InvalidPassword, "192.0.2.1", "1004")
	o.Raw = []byte("first")
	table.Observe(o)
	o.Raw[0] = 'x' // the text is the sensor's own
	for _, text := range []string{"second, of the same moment", "", strings.Repeat("long", MaxRaw)} {
		o.Raw = []byte(text)
		table.Observe(o)
	}
	key := Key{Per: PerSource, Prefix: event.SourcePrefix(o.Source)}
	check := func(want ...string) {
		t.Helper()
		for i, got := range table.Raws(table.Evidence(key)) {
			if got != want[i] {
				t.Errorf("text %d is %.40q, want %.40q", i, got, want[i])
			}
		}
	}
	evidence := table.Evidence(key)
	if len(evidence) != 4 {
		t.Fatalf("%d observations are kept", len(evidence))
	}
	check("first", "second, of the same moment", "", strings.Repeat("long", MaxRaw/4))

	other := newTable(t, Limits{}, guessing[0])
	other.KeepRaws(table)
	if got := other.Raws(evidence[:1]); got[0] != "first" {
		t.Errorf("another table tells %q", got)
	}

	// Many strangers later the texts are gone, and nobody else's stands for them.
	for i := range 2 * rawRefs {
		o := seen(start.Add(time.Duration(i)*time.Millisecond), InvalidPassword, "198.51.100.7", "1004")
		o.Raw = fmt.Appendf(nil, "number %d %s", i, strings.Repeat("x", 700))
		table.Observe(o)
	}
	check("", "", "", "")
	late := Record{At: start.Add((2*rawRefs - 1) * time.Millisecond), Source: seen(start, InvalidPassword, "198.51.100.7", "").Source}
	if got := table.Raws([]Record{late})[0]; !strings.HasPrefix(got, fmt.Sprintf("number %d ", 2*rawRefs-1)) {
		t.Errorf("the newest text is %.40q", got)
	}
	if allocs := testing.AllocsPerRun(100, func() { table.raws.keep(o) }); allocs != 0 {
		t.Errorf("a text costs %v allocations", allocs)
	}
}
