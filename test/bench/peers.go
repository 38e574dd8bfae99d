package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// result is what one contestant let happen.
type result struct {
	contestant
	more      map[int]*sample // guesses answered beyond the threshold, by rate
	took      map[int]*sample // from the first guess to the drop, by rate
	back      sample          // until a drop is back after the ruleset was flushed
	idle, end sample          // memory before and after
	sources   map[int][]netip.Addr
}

// peers has each contestant protect the same Asterisk in turn against the same
// guessers, with three wrong passwords as the threshold of all.
func (b *bench) peers() error {
	rates := []int{10, 100, 2000}
	if _, err := b.peersRoot(); err != nil {
		return err
	}
	l, err := b.newLab()
	if err != nil {
		return err
	}
	defer l.Close()
	heard, err := hearDrops(l.PBX.Do)
	if err != nil {
		return err
	}
	defer heard.close()
	raids := raiders{bench: b, lab: l, drops: heard}
	var results []*result
	for _, c := range contestants {
		r, err := raids.test(c, rates)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
	}
	if err := countAnswered(l, results); err != nil {
		return err
	}
	b.compare(rates, results)
	return nil
}

// raiders attack one contestant after the other.
type raiders struct {
	*bench
	lab   *lab.Lab
	drops *drops
	hosts int
}

func (r *raiders) test(c contestant, rates []int) (*result, error) {
	g, err := c.start(r.bench, r.lab)
	if err != nil {
		return nil, err
	}
	defer func() {
		g.stop()
		_ = r.lab.PBX.Command(context.Background(), "nft", "flush", "ruleset").Run()
	}()
	out := &result{contestant: c, more: map[int]*sample{}, took: map[int]*sample{}, sources: map[int][]netip.Addr{}}
	time.Sleep(3 * time.Second)
	out.idle.add(g.memory())
	for _, rate := range rates {
		out.more[rate], out.took[rate] = &sample{}, &sample{}
		for range r.few(5, 1) {
			source, took, err := r.raid(rate)
			if err != nil {
				return nil, err
			}
			out.sources[rate] = append(out.sources[rate], source)
			out.took[rate].add(took)
			time.Sleep(2 * time.Second)
		}
	}
	out.end.add(g.memory())
	back, err := r.flush(out.sources[rates[0]])
	out.back.add(back)
	return out, err
}

const (
	// patience is how long a guesser goes on when nobody stops it.
	patience = 30 * time.Second
	// flushPatience is how long a drop is waited for after a flush.
	flushPatience = 20 * time.Second
)

// raid guesses until the source is dropped.
func (r *raiders) raid(rate int) (source netip.Addr, took float64, err error) {
	r.hosts++
	h, err := r.lab.Host(fmt.Sprintf("r%d", r.hosts), netip.AddrFrom4([4]byte{203, 0, 113, byte(r.hosts)}).String())
	if err != nil {
		return source, 0, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	r.drops.expect(h.Source())
	start := time.Now()
	dropped := make(chan time.Time, 1)
	go func() {
		at, err := r.drops.await(ctx, patience)
		if err == nil {
			time.Sleep(200 * time.Millisecond) // let it try on
			dropped <- at
		}
		close(dropped)
		cancel()
	}()
	if _, err := (lab.Guesser{Host: h, Account: "1002", Rate: rate}).Run(ctx); err != nil {
		return source, 0, err
	}
	at, ok := <-dropped
	if !ok {
		return h.Source(), math.Inf(1), nil
	}
	return h.Source(), float64(at.Sub(start)), nil
}

// flush takes all rulesets away and waits for the newest of the drops.
func (r *raiders) flush(sources []netip.Addr) (float64, error) {
	source := sources[len(sources)-1]
	r.drops.expect(source)
	start := time.Now()
	if out, err := r.lab.PBX.Command(r.ctx, "nft", "flush", "ruleset").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("nft flush ruleset: %w: %s", err, out)
	}
	at, err := r.drops.await(r.ctx, flushPatience)
	if err != nil {
		return math.Inf(1), r.ctx.Err()
	}
	return float64(at.Sub(start)), nil
}

// countAnswered asks Asterisk's security log how many guesses it answered.
func countAnswered(l *lab.Lab, results []*result) error {
	answered, err := answeredGuesses(l)
	for _, r := range results {
		for rate, sources := range r.sources {
			for _, a := range sources {
				r.more[rate].add(float64(answered[a] - threshold))
			}
		}
	}
	return err
}

// compare prints each figure of all contestants, and how many times ours the
// others' are.
func (b *bench) compare(rates []int, results []*result) {
	ours := results[0]
	figure := func(heading string, u unit, of func(*result) sample) {
		b.table.heading("%s", heading)
		for _, r := range results {
			b.table.add(r.title(), u, of(r), "")
		}
		for _, r := range results[1:] {
			b.table.add(r.title()+" against Tollwarden", ratio, sample{of(r).median() / of(ours).median()}, "")
		}
	}
	for _, rate := range rates {
		figure(fmt.Sprintf("guesses answered after the threshold of %d, at %s guesses/s", threshold, count(float64(rate))), count,
			func(r *result) sample { return *r.more[rate] })
	}
	for _, rate := range rates {
		figure(fmt.Sprintf("from the first guess to the drop, at %s guesses/s", count(float64(rate))), duration,
			func(r *result) sample { return *r.took[rate] })
	}
	figure("resident memory, idle", megabytes, func(r *result) sample { return r.idle })
	figure("resident memory, after the attacks", megabytes, func(r *result) sample { return r.end })
	figure(fmt.Sprintf("a drop is back after `nft flush ruleset` (waited %s)", flushPatience), duration, func(r *result) sample { return r.back })
}

// ratio writes how many times ours something is; of none it is beyond measure.
func ratio(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "∞"
	case math.IsNaN(v):
		return "the same"
	}
	return times(v)
}
