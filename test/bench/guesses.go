package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

const threshold = 3

// guarded is a real Asterisk with something that protects it.
func (b *bench) guardedLab(settings string) (*lab.Lab, *daemon, error) {
	l, err := b.newLab()
	if err != nil {
		return nil, nil, err
	}
	d, err := b.guard(l, settings)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, d, nil
}

func (b *bench) newLab() (*lab.Lab, error) {
	if missing := lab.Missing(); len(missing) > 0 {
		return nil, fmt.Errorf("needs %v", missing)
	}
	return lab.Start(b.ctx, lab.Options{Version: lab.Asterisk22})
}

// guard starts a daemon beside the lab's Asterisk.
func (b *bench) guard(l *lab.Lab, settings string) (*daemon, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	if err := configure(dir, lab.AMIAddress, lab.AMIUser, lab.AMISecret, l.Path("/etc/asterisk"), settings); err != nil {
		return nil, err
	}
	cmd := l.PBX.Command(context.Background(), "nice", b.asInstalled(dir)...)
	d, err := launch(dir, cmd, (*exec.Cmd).Start)
	if err != nil {
		return nil, err
	}
	if err := d.healthy(b.ctx); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// guesses counts what a guesser gets answered beyond the threshold, by
// Asterisk's own security log.
func (b *bench) guesses() error {
	l, d, err := b.guardedLab(rules)
	if err != nil {
		return err
	}
	defer l.Close()
	defer d.stop()
	b.table.heading("guesses answered after the threshold of %d, on Asterisk 22", threshold)
	raids, err := b.raids(l, b.few(20, 4))
	b.addRaids(raids)
	return err
}

// raid is one attack: from where, at what rate.
type raid struct {
	rate    int
	sources []netip.Addr
	more    []int // answered beyond the threshold, by source
}

func (r raid) name() string {
	if len(r.sources) > 1 {
		return fmt.Sprintf("%d sources at once, %s guesses/s each", len(r.sources), count(float64(r.rate)))
	}
	return count(float64(r.rate)) + " guesses/s"
}

// raids attacks each rate a number of times, then from 50 sources at once, and
// counts afterwards.
func (b *bench) raids(l *lab.Lab, times int) ([]raid, error) {
	var all []raid
	next := 0
	host := func() (*lab.Host, error) {
		next++
		return l.Host(fmt.Sprintf("g%d", next), netip.AddrFrom4([4]byte{203, 0, 113, byte(next)}).String())
	}
	for _, rate := range []int{10, 100, 500, 2000, 10_000} {
		for range times {
			r, err := b.raid(rate, 1, host)
			if err != nil {
				return all, err
			}
			all = append(all, r)
		}
	}
	r, err := b.raid(200, 50, host)
	if err != nil {
		return all, err
	}
	all = append(all, r)
	answered, err := answeredGuesses(l)
	if err != nil {
		return all, err
	}
	for i := range all {
		for _, a := range all[i].sources {
			all[i].more = append(all[i].more, answered[a]-threshold)
		}
	}
	return all, nil
}

// answeredGuesses is how many wrong passwords Asterisk's security log has, by
// source.
func answeredGuesses(l *lab.Lab) (map[netip.Addr]int, error) {
	log, err := l.SecurityLog()
	answered := map[netip.Addr]int{}
	for _, e := range log {
		if e.Name == "ChallengeResponseFailed" {
			answered[e.Source.Addr()]++
		}
	}
	return answered, err
}

// raid guesses for a second, or until well beyond the threshold.
func (b *bench) raid(rate, sources int, host func() (*lab.Host, error)) (raid, error) {
	r := raid{rate: rate}
	var hosts []*lab.Host
	for range sources {
		h, err := host()
		if err != nil {
			return r, err
		}
		hosts = append(hosts, h)
		r.sources = append(r.sources, h.Source())
	}
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	failed := make([]error, sources)
	var together sync.WaitGroup
	for i, h := range hosts {
		together.Go(func() {
			_, failed[i] = lab.Guesser{Host: h, Account: "1002", Rate: rate, Most: max(rate/2, 8)}.Run(ctx)
		})
	}
	together.Wait()
	return r, errors.Join(failed...)
}

// addRaids puts the raids of one kind together.
func (b *bench) addRaids(raids []raid) {
	var names []string
	samples := map[string]sample{}
	for _, r := range raids {
		name := r.name()
		s, known := samples[name]
		if !known {
			names = append(names, name)
		}
		for _, n := range r.more {
			s.add(float64(n))
		}
		samples[name] = s
	}
	for _, name := range names {
		goal := ""
		if name == "2,000 guesses/s" {
			goal = "median ≤ 3, p99 ≤ 10"
		}
		b.table.add(name, count, samples[name], goal)
	}
}
