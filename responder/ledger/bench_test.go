package ledger

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// What a Put costs the caller while the owner writes.
func BenchmarkPutBan(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		l.PutBan(guesser(n % 10_000))
		n++
	}
}

// What a REGISTER from a known place costs.
func BenchmarkPutPlace(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		l.PutPlace(Place{"1001", source(n % 1000), noon})
		n++
	}
}

// Rows made durable in batches.
func BenchmarkWrite(b *testing.B) {
	for _, bench := range []struct {
		name string
		put  func(l *Ledger, n int)
	}{
		{"bans", func(l *Ledger, n int) { l.PutBan(guesser(n)) }},
		{"incidents of three steps and ten pieces of evidence", func(l *Ledger, _ int) {
			l.PutIncident(&incident.Incident{At: noon, Steps: []incident.Step{{}, {}, {}}, Evidence: make([]incident.Evidence, 10)})
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			n := 0
			for b.Loop() {
				for range 2000 {
					bench.put(l, n)
					n++
				}
				if err := l.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

// One ban from Put to durable: what an operator waits for.
func BenchmarkFlush(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	n := 0
	for b.Loop() {
		l.PutBan(guesser(n))
		n++
		if err := l.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// The bans of a restart.
func BenchmarkBans(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for n := range 20_000 {
		l.PutBan(guesser(n))
	}
	if err := l.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if bans, err := l.Bans(b.Context(), noon.Add(time.Second)); err != nil || len(bans) != 20_000 {
			b.Fatal(len(bans), err)
		}
	}
}
