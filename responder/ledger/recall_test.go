package ledger

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// A start reads everything as it was, a part at a time, while it changes.
func TestRecollection(t *testing.T) {
	l := must[*Ledger](t)(Open(filepath.Join(t.TempDir(), "ledger.db"), Options{}))
	for i := range 10 {
		l.PutBan(incident.Ban{Prefix: source(i), Since: noon, Until: noon.Add(time.Hour), Reason: fmt.Sprint(i), Scope: "all"})
	}
	l.PutBan(incident.Ban{Prefix: source(10), Since: noon.Add(-time.Hour), Until: noon})
	l.DeleteBan(source(9), noon, "a person")
	for i := range 3 {
		l.AddOffence(source(0), noon.Add(-time.Duration(i)*time.Hour))
	}
	r := must[*Recollection](t)(l.Recall(t.Context(), noon))

	l.DeleteBan(source(8), noon, "a person")
	l.PutBan(incident.Ban{Prefix: source(7), Since: noon.Add(time.Minute), Reason: "another"})
	l.AddOffence(source(0), noon.Add(time.Minute))
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []incident.Ban
	for more := true; more; {
		page := must[[]incident.Ban](t)(r.Bans(4))
		all, more = append(all, page...), len(page) == 4
	}
	same(t, "bans", len(all), 9)
	same(t, "count", must[int](t)(r.Count()), 9)
	for _, b := range all {
		same(t, "ban", b, incident.Ban{Prefix: b.Prefix, Since: noon, Until: noon.Add(time.Hour), Reason: b.Reason, Scope: "all", Step: incident.StepUnknown})
		same(t, "prefix", source(int(b.Reason[0]-'0')), b.Prefix)
	}
	same(t, "offences", must[[]Record](t)(r.Offences(noon.Add(-time.Hour))), []Record{{source(0), 2, noon}})
	r.Close()

	_, kept, err := l.Ban(t.Context(), noon, source(8))
	same(t, "a released ban", fmt.Sprint(kept, err), "false <nil>")
	b, kept, err := l.Ban(t.Context(), noon, source(7))
	same(t, "a replaced ban", fmt.Sprint(b.Reason, kept, err), "anothertrue <nil>")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Without its file the ledger has nothing to recall.
func TestNothingToRecall(t *testing.T) {
	dir := t.TempDir()
	l := must[*Ledger](t)(Open(filepath.Join(dir, "ledger.db"), Options{}))
	l.file.Lock()
	l.shut()
	l.file.Unlock()
	if _, err := l.Recall(t.Context(), noon); err == nil {
		t.Error("no error")
	}
	_ = l.Close()
}
