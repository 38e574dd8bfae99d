package ledger

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// victim names, in the environment, the ledger that a child process writes to
// until it is killed.
const victim = "LEDGER_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// parent marks the incidents that this process puts between the rounds.
const parent = "parent"

// writeUntilKilled prints the number of each incident that Flush confirmed. Its
// ban, its step and its guess were confirmed with it.
func writeUntilKilled(path string) error {
	l, err := Open(path, Options{})
	if err != nil {
		return err
	}
	for {
		id := l.PutIncident(&incident.Incident{At: noon, Steps: []incident.Step{{State: incident.Intended}}, Evidence: make([]incident.Evidence, 1)})
		b := guesser(int(id))
		b.Incident = id
		l.PutBan(b)
		l.PutStep(id, 0, noon, incident.Step{State: incident.Done})
		l.PutGuess(guess(int(id), noon, 1))
		if rand.IntN(4) > 0 {
			continue // others share the transaction
		}
		if err := l.Flush(context.Background()); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// TestKill kills a writer again and again. The kernel keeps what was written, so
// this shows the order of things, not what a power cut leaves: that rests on
// synchronous=FULL, which is checked here as well.
func TestKill(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 5
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	var confirmed int64
	cut := map[int64]bool{} // incidents that no child came to confirm: perhaps without their bans
	for round := range rounds {
		last := killed(t, path)
		l := open(t, path)
		if h := l.Health(); !h.OK() || h.Damage != "" {
			t.Fatalf("round %d: health: %+v", round, h)
		}
		next := l.PutIncident(&incident.Incident{At: noon, Threshold: parent})
		if last > 0 && last <= confirmed || next <= max(last, confirmed) {
			t.Fatalf("round %d: confirmed up to %d before and %d now, but the next number is %d", round, confirmed, last, next)
		}
		from := confirmed + 1
		if round == rounds-1 {
			from = 1
		}
		confirmed = max(last, confirmed)
		for id := confirmed + 1; id < next; id++ {
			cut[id] = true
		}
		whole(t, l, from, confirmed, next, cut)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds, %d incidents confirmed", rounds, confirmed)
	if confirmed == 0 {
		t.Error("the child never got to confirm anything")
	}
}

// killed runs a child for a moment and returns the last number it confirmed.
func killed(t *testing.T, path string) (last int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Duration(20+rand.IntN(100))*time.Millisecond, func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var id int64
		if _, err := fmt.Sscanf(lines.Text()+"\n", "%d\n", &id); err == nil {
			last = id
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() == 1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return last
}

// whole checks that everything from one number to the confirmed one is there,
// and that what comes after that is there whole or not at all.
func whole(t *testing.T, l *Ledger, from, confirmed, next int64, cut map[int64]bool) {
	t.Helper()
	bans := make(map[int64]bool)
	for _, b := range must[[]incident.Ban](t)(l.Bans(t.Context(), noon)) {
		bans[b.Incident] = true
	}
	guesses := make(map[netip.Prefix]bool)
	for _, g := range must[[]Guess](t)(l.Guesses(t.Context())) {
		guesses[g.Prefix] = true
	}
	incidents := make(map[int64]incident.Incident)
	for _, i := range must[[]incident.Incident](t)(l.Incidents(t.Context(), int(next-from+1))) {
		if i.ID < next {
			incidents[i.ID] = i
		}
	}
	for id := from; id <= confirmed; id++ {
		i, ok := incidents[id]
		if i.Threshold == parent || cut[id] {
			continue
		}
		if !ok || !bans[id] || !guesses[source(int(id))] || len(i.Steps) != 1 || i.Steps[0].State != incident.Done {
			t.Fatalf("incident %d was confirmed; there: %t, its ban: %t, its guess: %t, steps: %+v", id, ok, bans[id], guesses[source(int(id))], i.Steps)
		}
	}
	for id := confirmed + 1; id < next; id++ {
		if i, ok := incidents[id]; ok && len(i.Steps) != 1 && bans[id] {
			t.Fatalf("incident %d is in pieces: %+v", id, i)
		}
	}
}

// The settings that decide what a crash leaves.
func TestDurabilityIsSwitchedOn(t *testing.T) {
	l := open(t, file(t))
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "auto_vacuum": "2"} {
		var got string
		if err := l.store.writer.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		same(t, pragma, got, want)
	}
}
