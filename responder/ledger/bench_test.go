package ledger

import (
	"fmt"
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

// What a start reads.
func BenchmarkStart(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000} {
		l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		fill(b, l, rows)
		b.Run(fmt.Sprintf("%d bans", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if bans, err := l.Bans(b.Context(), noon.Add(time.Second)); err != nil || len(bans) != rows {
					b.Fatal(len(bans), err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d offenders", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list, err := l.Offences(b.Context(), noon); err != nil || len(list) != rows {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}

// fill has the file hold so many bans and offences.
func fill(b *testing.B, l *Ledger, rows int) {
	b.Helper()
	since, until := noon.UnixMilli(), noon.Add(time.Hour).UnixMilli()
	err := l.store.writer.direct(fmt.Sprintf(`
		WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)
		INSERT INTO bans (prefix, since, until, reason, origin, offence, incident, scope)
		SELECT '10.' || (i >> 16) || '.' || (i >> 8 & 255) || '.' || (i & 255) || '/32', %d, %d,
			'three wrong passwords within ' || (i %% 100) || 's', 'password guessing', 1 + i %% 4, i, 'all' FROM n;
		INSERT INTO offences (prefix, at) SELECT prefix, since FROM bans`, rows, since, until))
	if err != nil {
		b.Fatal(err)
	}
}
