package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/score"
)

// scale is what an event costs when very many sources are tracked, and what a
// source costs. Every source fails twice, in another order each time, so that
// each event is about a source of which nothing is in the caches.
func (b *bench) scale() error {
	b.table.heading("cost of one failure, framing to score, by sources seen")
	sizes := []int{1_000, 10_000, 100_000, 1_000_000, 10_000_000}
	if b.quick {
		sizes = sizes[:4]
	}
	var small sample
	for _, n := range sizes {
		first, again, err := b.failuresOf(n)
		if err != nil {
			return err
		}
		b.table.add(count(float64(n))+" sources, first failure", duration, first, "")
		b.table.add(count(float64(n))+" sources, second failure", duration, again, "")
		if n == sizes[0] {
			small = again
		}
		if n == 1_000_000 {
			b.table.add("1,000,000 sources against 1,000, second failure", times, again.over(small), "≤ 1.5×")
		}
	}
	return b.memory()
}

// failuresOf has n sources fail twice.
func (b *bench) failuresOf(n int) (first, again sample, err error) {
	const least = 50_000 // events in a figure
	for round := range b.few(5, 2) {
		var took [2]time.Duration
		events := 0
		for events < least {
			r, err := newResponder()
			if err != nil {
				return nil, nil, err
			}
			runtime.GC()
			for pass := range took {
				d, err := pour(r, newFailures(n, uint64(round*2+pass)), n)
				if err != nil {
					return nil, nil, err
				}
				took[pass] += d
			}
			events += n
		}
		first.add(float64(took[0]) / float64(events))
		again.add(float64(took[1]) / float64(events))
		if n >= 10_000_000 {
			break
		}
	}
	return first, again, nil
}

// pour gives n events to a responder and says what they cost it.
func pour(r *responder.Engine, from io.Reader, n int) (time.Duration, error) {
	in := ami.NewReader(from)
	now := time.Now()
	cpu := ownCPU()
	for range n {
		block, err := in.Next()
		if err != nil {
			return 0, err
		}
		r.Handle(now, block)
	}
	return ownCPU() - cpu, nil
}

// failures is a stream of one failure of each of n sources, in an order of
// chance, made as it is read.
type failures struct {
	order      []uint32
	head, tail string // of an event, before and after the address
	next       []byte // what is not read yet
	buf        []byte
}

func newFailures(n int, seed uint64) *failures {
	f := &failures{order: make([]uint32, n)}
	for i := range f.order {
		f.order[i] = uint32(i)
	}
	chance := rand.New(rand.NewPCG(5, seed))
	chance.Shuffle(n, func(i, j int) { f.order[i], f.order[j] = f.order[j], f.order[i] })
	text := failure("1002", attacker(0), 1)
	head, tail, _ := strings.Cut(text, attacker(0).String())
	f.head, f.tail = head, tail
	return f
}

// Read makes as many events as fit.
func (f *failures) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(f.next) == 0 {
			if len(f.order) == 0 {
				break
			}
			a := attacker(int(f.order[0])).As4()
			f.order = f.order[1:]
			f.buf = append(f.buf[:0], f.head...)
			for i, v := range a {
				if i > 0 {
					f.buf = append(f.buf, '.')
				}
				f.buf = strconv.AppendUint(f.buf, uint64(v), 10)
			}
			f.next = append(f.buf, f.tail...)
		}
		m := copy(p[n:], f.next)
		f.next = f.next[m:]
		n += m
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// memory is what the score's table holds for each source.
func (b *bench) memory() error {
	points := map[score.Signal]int{score.ChallengeResponseFailed: 1}
	t, err := score.New([]score.Threshold{
		{Name: "password guessing", Per: score.PerSource, Points: points, Score: 3, Within: time.Hour},
		{Name: "slow guessing", Per: score.PerSource, Points: points, Score: 10, Within: 24 * time.Hour},
	}, score.Limits{})
	if err != nil {
		return err
	}
	var each sample
	now := time.Now()
	kept := 0
	for n, checked := range []int{500_000, 10_000_000} {
		for i := kept; i < checked; i++ {
			t.Observe(&score.Observation{
				At: now, Signal: score.ChallengeResponseFailed, Source: attacker(i), Port: 5060,
				Account: []byte("1002"), Session: []byte("f-12345678@phone"),
			})
		}
		kept = checked
		if n == 0 {
			each.add(float64(t.Stats().Bytes) / float64(t.Stats().Keys[score.PerSource].Tracked))
		}
	}
	stats := t.Stats()
	b.table.add("memory of a source that failed once", bytesEach, each, "≤ 150 B")
	b.table.add(fmt.Sprintf("memory of the table after 10,000,000 sources, of which it keeps %s", count(float64(stats.Keys[score.PerSource].Tracked))),
		megabytes, sample{float64(stats.Bytes)}, "")
	return nil
}
