package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/score"
)

// cost is something of our code whose processor time is watched.
type cost struct {
	name string
	run  func() (operations int, err error)
}

var costs = []cost{
	{"ordinary event, framing to score", costOfOrdinary},
	{"failure of one of 100,000 sources", costOfFailures},
	{"observation to score, one of 100,000 sources", costOfScore},
	{"ban in the books of the firewall", costOfBooks},
}

// slower is how much a cost may have grown before it fails.
const slower = 4.0 / 3

// tries is how often each cost is measured; the least counts, which other
// load on the machine disturbs least.
const tries = 7

// checkCosts measures each cost against a calibration loop, whose own cost
// says how fast this machine is at the moment, and compares with what is kept.
func checkCosts(update bool) error {
	file := filepath.Join(sourceDir(), "baseline.json")
	kept := map[string]float64{}
	if text, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(text, &kept); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	} else if !update {
		return err
	}
	now := map[string]float64{}
	var grown []error
	for _, c := range costs {
		ratio, err := ratioOf(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		now[c.name] = ratio
		was, known := kept[c.name]
		fmt.Printf("%-48s %8.3f of a calibration loop, was %8.3f\n", c.name, ratio, was)
		switch {
		case update:
		case !known:
			grown = append(grown, fmt.Errorf("%s is not in %s: make bench-check BENCH=-update", c.name, file))
		case ratio > was*slower:
			grown = append(grown, fmt.Errorf("%s: %.2f times what it was", c.name, ratio/was))
		}
	}
	if !update {
		return errors.Join(grown...)
	}
	text, err := json.MarshalIndent(now, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// ratioOf is the cost of one operation in calibration loops.
func ratioOf(c cost) (float64, error) {
	var each, loop sample
	for range tries {
		start := ownCPU()
		calibrate()
		loop.took(ownCPU() - start)
		start = ownCPU()
		n, err := c.run()
		if err != nil {
			return 0, err
		}
		each.add(float64(ownCPU()-start) / float64(n))
	}
	return each.quantile(0) / (loop.quantile(0) / calibrations), nil
}

const calibrations = 200_000

// calibrate does what our code is made of: it looks for bytes, compares, and
// looks up in a map.
func calibrate() {
	text := []byte(ordinary()[0])
	found := map[string]int{}
	for range calibrations {
		for rest := text; ; {
			line, after, more := bytes.Cut(rest, []byte("\r\n"))
			if !more {
				break
			}
			name, _, _ := bytes.Cut(line, []byte(": "))
			found[string(name)]++
			rest = after
		}
	}
}

func costOfOrdinary() (int, error) {
	r, err := newResponder()
	if err != nil {
		return 0, err
	}
	const rounds = 500
	events := ordinary()
	_, err = pour(r, strings.NewReader(strings.Repeat(strings.Join(events, ""), rounds)), rounds*len(events))
	return rounds * len(events), err
}

func costOfFailures() (int, error) {
	r, err := newResponder()
	if err != nil {
		return 0, err
	}
	const n = 100_000
	_, err = pour(r, newFailures(n, 1), n)
	return n, err
}

func costOfScore() (int, error) {
	t, err := score.New([]score.Threshold{{
		Name: "password guessing", Per: score.PerSource, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 3, Within: time.Hour,
	}}, score.Limits{})
	if err != nil {
		return 0, err
	}
	const n = 100_000
	now := time.Now()
	for i := range 2 * n {
		t.Observe(&score.Observation{At: now, Signal: score.ChallengeResponseFailed, Source: attacker(i % n), Account: []byte("1002")})
	}
	return 2 * n, nil
}

func costOfBooks() (int, error) {
	m := firewall.NewMemory(firewall.Config{})
	const n = 100_000
	now := time.Now()
	for i := range n {
		if err := m.Ban(now, firewall.Ban{Prefix: netip.PrefixFrom(oldBan(i), 32), Until: now.Add(time.Hour)}); err != nil {
			return 0, err
		}
	}
	return n, nil
}
