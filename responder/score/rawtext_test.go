package score

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Each record of evidence keeps its own text as long as there is room.
func TestRaws(t *testing.T) {
	table := newTable(t, Limits{}, guessing[0])
	o := seen(start, InvalidPassword, "192.0.2.1", "1004")
	o.Raw = []byte("first")
	table.Observe(o)
	o.Raw[0] = 'x' // the table has its own copy
	for _, text := range []string{"second, of the same moment", "", strings.Repeat("long", MaxRaw)} {
		o.Raw = []byte(text)
		table.Observe(o)
	}
	key := Key{Per: PerSource, Prefix: event.SourcePrefix(o.Source)}
	check := func(want ...string) {
		t.Helper()
		for i, got := range table.RawTexts(table.Evidence(key)) {
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
	other.CopyRawTexts(table)
	if got := other.RawTexts(evidence[:1]); got[0] != "first" {
		t.Errorf("the other table has %q", got)
	}

	// After a flood the texts are gone, and no other text takes their place.
	for i := range 2 * maxRawTexts {
		o := seen(start.Add(time.Duration(i)*time.Millisecond), InvalidPassword, "198.51.100.7", "1004")
		o.Raw = fmt.Appendf(nil, "number %d %s", i, strings.Repeat("x", 700))
		table.Observe(o)
	}
	check("", "", "", "")
	late := Record{At: start.Add((2*maxRawTexts - 1) * time.Millisecond), Source: seen(start, InvalidPassword, "198.51.100.7", "").Source}
	if got := table.RawTexts([]Record{late})[0]; !strings.HasPrefix(got, fmt.Sprintf("number %d ", 2*maxRawTexts-1)) {
		t.Errorf("the newest text is %.40q", got)
	}
	if allocs := testing.AllocsPerRun(100, func() { table.rawTexts.keep(o) }); allocs != 0 {
		t.Errorf("%v allocations for a text", allocs)
	}
}
