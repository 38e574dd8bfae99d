package ledger

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// A ban is written at once, with the changes put before it; other changes wait for
// a batch.
func TestABanIsWrittenAtOnce(t *testing.T) {
	l, err := Open(file(t), Options{linger: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.PutPlace(Place{"1001", source(1), noon})
	time.Sleep(50 * time.Millisecond)
	if l.Health().Pending == 0 {
		t.Error("a place was written at once")
	}
	l.PutIncident(&incident.Incident{At: noon})
	l.AddOffence(prefix("192.0.2.7/32"), noon)
	l.PutBan(guesser(1))
	for start := time.Now(); l.Health().Pending > 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d rows wait", l.Health().Pending)
		}
	}
}

// BenchmarkBanDurable is from a ban to its row being synced.
func BenchmarkBanDurable(b *testing.B) {
	l, err := Open(b.TempDir()+"/ledger.db", Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	n := 0
	for b.Loop() {
		n++
		l.PutIncident(&incident.Incident{At: noon, Steps: []incident.Step{{}}, Evidence: make([]incident.Evidence, 3)})
		l.PutBan(guesser(n))
		for l.Health().Pending > 0 {
			time.Sleep(20 * time.Microsecond)
		}
	}
}
