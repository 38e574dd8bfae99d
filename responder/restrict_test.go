package responder_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// sheltering restricts an account at ten guesses, when unknown addresses of three
// networks have proved to be there.
func sheltering() judge.Policy {
	p := guessing(1000)
	p.Restrict = contain.RestrictRule{Networks: 3, Quiet: time.Hour}
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "account under attack", Per: score.PerAccount, Points: p.Thresholds[0].Points, Score: 10, Within: 24 * time.Hour, Playbook: "shelter",
	})
	p.Playbooks["shelter"] = []incident.StepKind{incident.StepRestrict}
	return p
}

// guessesFrom is n guesses at 1002 from each of these networks.
func guessesFrom(networks, n int) string {
	var b strings.Builder
	for i := range networks * n {
		b.WriteString(failure("1002", fmt.Sprintf("203.0.%d.66", i%networks), i))
	}
	return b.String()
}

// owned is a harness where 1002 has a phone.
func owned(t *testing.T) *harness {
	t.Helper()
	return ownedUnder(t, sheltering())
}

func ownedUnder(t *testing.T, p judge.Policy) *harness {
	t.Helper()
	p.Calls.Learn = time.Hour
	h := newHarnessAt(t, time.Now(), p)
	h.pbx.contacts = []places.Contact{{Account: "1002", Source: netip.MustParseAddr(office)}}
	if err := h.Resync(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	restricts = "restrict 1002 [198.51.100.0/24]"
	lifts     = "lift 1002 [198.51.100.0/24]"
)

func TestAccountIsRestrictedInAStorm(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		want   string // of the step, in its detail
		asked  int
	}{
		"proven, from everywhere":     {proven(guessesFrom(5, 2)), "restricted", 1},
		"forged packets":              {guessesFrom(5, 2), "only 0 unknown networks guessed from confirmed addresses", 0},
		"proven, from two networks":   {proven(guessesFrom(2, 5)), "only 2 unknown networks guessed from confirmed addresses", 0},
		"forged, and one who is real": {guessesFrom(9, 1) + proven(guessesFrom(1, 1)), "only 1 unknown network guessed from confirmed addresses", 0},
		"nobody knows the account":    {strings.ReplaceAll(proven(guessesFrom(5, 2)), "1002", "1009"), "known for it long enough", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := owned(t)
			h.hear(t, time.Now(), []byte(c.events))
			list := h.settled(t)
			if len(list) != 1 || !strings.Contains(list[0].Steps[0].Detail, c.want) {
				t.Fatalf("incidents %+v, want one that says %q", list, c.want)
			}
			if n := h.pbx.times(restricts); n != c.asked {
				t.Errorf("asked %d times: %v", n, h.pbx.asked)
			}
		})
	}
}

// Where nothing can be proved, an administrator may have what is claimed count.
func TestAccountIsRestrictedByClaims(t *testing.T) {
	for name, c := range map[string]struct {
		networks int
		want     string
	}{
		"from everywhere":   {5, "restricted"},
		"from two networks": {2, "only 2 unknown networks guessed; 3"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := sheltering()
			policy.Restrict.Spoofable = true
			h := ownedUnder(t, policy)
			h.hear(t, time.Now(), []byte(guessesFrom(c.networks, 10/c.networks)))
			if list := h.settled(t); len(list) != 1 || !strings.Contains(list[0].Steps[0].Detail, c.want) {
				t.Errorf("incidents %+v, want one that says %q", list, c.want)
			}
		})
	}
}

// While it is restricted its refusals are nobody's offence, and it is not
// restricted twice.
func TestRefusalsOfARestrictedAccountCountForNobody(t *testing.T) {
	h := owned(t)
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	h.settled(t)
	before := h.Counters().Observations
	const refused = "ACLName: not_match_endpoint_acl\r\n"
	for range 20 { // as PJSIP raises them for one attempt
		for _, event := range []string{
			security("FailedACL", "1002", "travels", "192.0.2.80", refused),
			security("ChallengeSent", "<unknown>", "travels", "192.0.2.80", "Challenge: \r\n"),
			security("FailedACL", "1002", "travels", "192.0.2.80", refused),
			security("ChallengeResponseFailed", "<unknown>", "travels", "192.0.2.80", "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n"),
		} {
			h.hear(t, time.Now(), []byte(proven(event)))
		}
	}
	if n := h.Counters().Observations; n != before {
		t.Errorf("%d refusals were scored", n-before)
	}
	h.hear(t, time.Now(), []byte(proven(security("FailedACL", "1003", "probe", "192.0.2.80", refused))))
	if n := h.Counters().Observations; n != before+1 {
		t.Errorf("a refusal of another account was scored %d times", n-before)
	}
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	if n := h.pbx.times(restricts); n != 1 {
		t.Errorf("restricted %d times", n)
	}
}

// A restriction outlives the daemon, ends with the storm, and not before.
func TestRestrictionEndsWithTheStorm(t *testing.T) {
	h := owned(t)
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	h.settled(t)
	policy := sheltering()
	policy.Restrict.Quiet = 2 * time.Second
	next, err := responder.New(t.Context(), time.Now(), policy, responder.Parts{Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Ledger: h.ledger})
	if err != nil {
		t.Fatal(err)
	}
	h.Engine = next
	h.run(t)
	for range 25 {
		h.hear(t, time.Now(), []byte(guessesFrom(5, 1)))
		time.Sleep(100 * time.Millisecond)
	}
	if n := h.pbx.times(lifts); n != 0 {
		t.Errorf("lifted in the storm, %d times", n)
	}
	h.wait(t, "the end of the restriction", func() bool { return h.pbx.times(lifts) == 1 })
	h.wait(t, "the ledger to forget it", func() bool {
		holds, err := h.ledger.Holds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(holds) == 0
	})
}

// A person ends a restriction, and it does not come back the next moment.
func TestAPersonEndsARestriction(t *testing.T) {
	h := owned(t)
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	h.settled(t)
	if detail, err := h.Accounts.Unlock(t.Context(), "1002", 0); err != nil || detail != "lifted" || h.pbx.times(lifts) != 1 {
		t.Fatalf("%q, %v: %v", detail, err, h.pbx.asked)
	}
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	h.settled(t)
	if n := h.pbx.times(restricts); n != 1 {
		t.Errorf("restricted %d times", n)
	}
	if _, err := h.Accounts.Unlock(t.Context(), "1002", 0); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("unlocked twice: %v", err)
	}
}

// Whom a person lets in by ending a restriction is no thief for coming from a
// new place after so many failures; who comes after new ones is.
func TestWhomAPersonLetsIn(t *testing.T) {
	h := owned(t)
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	h.settled(t)
	if _, err := h.Accounts.Unlock(t.Context(), "1002", 0); err != nil {
		t.Fatal(err)
	}
	h.hear(t, time.Now(), []byte(proven(success("1002", "192.0.2.90"))))
	if got := thresholds(h.settled(t)); got != "account under attack 1002" {
		t.Errorf("incidents: %s", got)
	}
	h.hear(t, time.Now(), []byte(proven(failures("1002", "203.0.113.9", 4)+success("1002", "203.0.113.9"))))
	if got := thresholds(h.settled(t)); got != "account under attack 1002, break-in 1002" {
		t.Errorf("incidents after new guesses: %s", got)
	}
}

// A daemon is started into a storm: the guesses are there before Asterisk has
// said who is registered. The owner is at home all the same, and no thief when
// his phone registers again; who guessed himself is not at home.
func TestStartIntoAStorm(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		want   string
	}{
		"strangers guess":                 {guessesFrom(5, 1), ""},
		"who is registered guessed, too":  {guessesFrom(5, 1) + proven(failures("1002", office, 4)), "break-in 1002"},
		"a stranger has got in meanwhile": {guessesFrom(5, 1) + success("1002", "203.0.113.9"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			policy := sheltering()
			policy.Playbooks["compromise"] = []incident.StepKind{incident.StepBan} // a new secret would forgive all
			h := newHarness(t, policy)
			h.pbx.contacts = []places.Contact{{Account: "1002", Source: netip.MustParseAddr(office)}}
			h.hear(t, time.Now(), []byte(c.before))
			if err := h.Resync(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			h.hear(t, time.Now(), []byte(success("1002", office)))
			if got := thresholds(h.settled(t)); got != c.want {
				t.Errorf("incidents: %q, want %q", got, c.want)
			}
		})
	}
}

// What Asterisk did not take is cleared away, said, and not tried at every turn.
func TestRestrictionThatFails(t *testing.T) {
	h := owned(t)
	h.pbx.refusal = errors.New("read-only file system")
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	list := h.settled(t)
	if s := list[0].Steps[0]; s.State != "failed" || s.Detail != "read-only file system" {
		t.Errorf("step %+v", s)
	}
	h.wait(t, "it to be cleared away", func() bool { return h.pbx.times(lifts) == 1 })
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	h.settled(t)
	if n := h.pbx.times(restricts); n != 1 {
		t.Errorf("tried %d times", n)
	}
	// What is not in force excuses nobody, even if it cannot be cleared away.
	before := h.Counters().Observations
	h.hear(t, time.Now(), []byte(proven(guessesFrom(5, 2))))
	if n := h.Counters().Observations - before; n != 10 {
		t.Errorf("%d of 10 guesses counted", n)
	}
}
