package responder_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// byteCounter counts what is written to it.
type byteCounter struct{ n atomic.Int64 }

func (c *byteCounter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// An hour of forged packets, three from each address, adds little to the ledger and the
// log: the addresses of a minute share an incident. A real attacker among them, who
// proves its address, has an incident of its own with its evidence.
//
// TOLLWARDEN_FLOOD_RATE=6000 plays the whole flood (`make flood-hour`); the hour then
// takes minutes.
func TestFloodDoesNotFillTheDisk(t *testing.T) {
	rate := 10
	if full := os.Getenv("TOLLWARDEN_FLOOD_RATE"); full != "" {
		if _, err := fmt.Sscan(full, &rate); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() || raceDetector {
		rate = 5
	}
	const hour = 3600
	path := filepath.Join(t.TempDir(), "ledger.db")
	// The hour begins now, so that the engine, which forgets by the real clock, forgets
	// nothing before its time.
	start := time.Now()
	var played atomic.Int64 // seconds
	clock := func() time.Time { return start.Add(time.Duration(played.Load()) * time.Second) }
	l, err := ledger.Open(path, ledger.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	policy := guessing(3)
	points := policy.Thresholds[0].Points
	policy.Thresholds = append(policy.Thresholds,
		score.Threshold{Name: "network takes turns", Per: score.PerNetwork, Points: points, Score: 15, Within: 24 * time.Hour, Playbook: "block"},
		score.Threshold{Name: "account under attack", Per: score.PerAccount, Points: points, Score: 30, Within: 24 * time.Hour, Playbook: "limit"})
	policy.Playbooks["limit"] = []incident.StepKind{incident.StepRestrict, incident.StepNotify}
	policy.Ladder.Spoofable = []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}
	var log byteCounter
	h := &harness{kernel: &memoryFirewall{bans: map[netip.Prefix]incident.Ban{}}, pbx: &exchange{asked: map[string]int{}}, ledger: l, watch: &flowRecorder{}}
	h.Engine, err = responder.New(t.Context(), start, policy, responder.Parts{
		Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Watch: h.watch, Ledger: l, Log: zerolog.New(&log).Level(zerolog.InfoLevel),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.run(t)

	guess := func(now time.Time, from netip.Addr, n int, over event.Transport) {
		h.Report(now, intake.SensorAMI, &event.Event{
			Kind: event.ChallengeResponseFailed, Service: []byte("PJSIP"), AccountID: []byte("1002"),
			SessionID: fmt.Appendf(nil, "%d-%s", n, from), Remote: netip.AddrPortFrom(from, 5060), Transport: over, Challenge: []byte("invented"),
			Raw: []byte("Event: ChallengeResponseFailed\r\nPrivilege: security,all\r\nService: PJSIP\r\nAccountID: 1002\r\nSessionID: 1c5a8e2f-0000-4242-9999-0123456789ab\r\n"),
		})
	}
	began, largest := time.Now(), int64(0)
	thief := netip.MustParseAddr("192.0.2.66")
	for second := range hour {
		played.Store(int64(second))
		now := clock()
		for n := second * rate; n < (second+1)*rate; n++ {
			source := uint32(n/3) * 2_654_435_761 // spread over all addresses
			guess(now, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, source))), n, event.UDP)
		}
		if second == hour/2 {
			for n := range 3 { // may be spoofed, in the heap
				guess(now, thief, n, event.UDP)
			}
		}
		if second == hour/2+5 {
			for n := range 3 {
				guess(now, thief, 10+n, event.TCP)
			}
		}
		if second%60 == 59 {
			h.Prune(now)
			largest = max(largest, ledgerSize(t, path))
		}
		if rate > 1000 || second%60 == 59 { // the disk keeps up, as it does in reality
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := l.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	h.wait(t, "the real attacker is banned whole", func() bool {
		b, ok := h.kernel.ban(thief)
		return ok && !b.Spoofable()
	})
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	added := max(largest, ledgerSize(t, path)) + log.n.Load()
	list, err := l.Incidents(t.Context(), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	health := l.Health()
	t.Logf("an hour at %d forged packets/s, in %s: %d incidents, ledger at most %.1f MB, log %.1f MB; %d rows pruned early, dropped %v",
		rate, time.Since(began).Round(time.Second), len(list), float64(largest)/1e6, float64(log.n.Load())/1e6, health.Evicted, health.Dropped)
	if most := int64(50e6); added > most || rate < 6000 && added > 2*most/5 {
		t.Errorf("%d bytes were added", added)
	}
	if len(list) > 3*60 {
		t.Errorf("%d incidents, want a few every minute", len(list))
	}
	own := 0
	for _, i := range list {
		if i.Key.Value() != thief.String() {
			continue
		}
		own++
		whole, err := l.Incident(t.Context(), i.ID)
		want := 6
		if rate > 1000 {
			want = 1 // the flood has displaced most records of addresses
		}
		if err != nil || len(whole.Evidence) < want || len(whole.Steps) != 1 || !strings.Contains(whole.Steps[0].Detail, "until") {
			t.Errorf("the real attacker's incident: %+v, %v", whole, err)
		}
	}
	if own != 1 {
		t.Errorf("the real attacker has %d incidents", own)
	}
	for _, b := range h.Bans.List(clock()) {
		if b.Incident == 0 {
			t.Fatalf("the ban of %s names no incident", b.Prefix)
		}
	}
}

// ledgerSize is the size of a ledger with its side files.
func ledgerSize(t *testing.T, path string) (n int64) {
	for _, side := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + side); err == nil {
			n += info.Size()
		}
	}
	return n
}
