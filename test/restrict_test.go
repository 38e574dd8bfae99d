package test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// One account is guessed at from forty networks, two real guesses from each.
// While the attack lasts the account works from its known networks, calls
// included, and the right password is refused anywhere else; afterwards the
// configuration is what it was, byte for byte. The restriction survives a restart
// of the daemon.
func TestAccountUnderAttackIsRestricted(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		const quiet = 15 * time.Second // long enough to look around on a busy machine
		owner := addPhone(t, addHost(t, l, "owner", "198.51.100.10"), "1002")
		other := addPhone(t, addHost(t, l, "neighbour", "198.51.100.11"), "1001")
		register(t, owner)
		register(t, other)
		traveller := addPhone(t, addHost(t, l, "hotel", "192.0.2.90"), "1002")
		conf := l.Path("etc/asterisk/" + l.ConfFile())
		before, err := os.ReadFile(conf)
		if err != nil {
			t.Fatal(err)
		}
		bots := addHost(t, l, "bots", "198.18.0.0/16")
		claimed := l.Technology() == "SIP"                                                                      // with chan_sip nothing proves a guesser
		w := guardWith(t, l, fmt.Sprintf(restrictAnybody+"quiet = %q\ntrust_spoofable = %t\n", quiet, claimed)) // else the built-in set

		attack := func() {
			t.Helper()
			guessFromEverywhere(t, bots, "1002")
		}
		restricted := func() bool {
			now, err := os.ReadFile(conf)
			return err == nil && strings.Contains(string(now), "permit = 198.51.100.0/24\n")
		}
		w.shelter(attack)
		works := func(when string) {
			t.Helper()
			register(t, owner)
			call, err := owner.Call(soon(t), "00442079460001")
			if err != nil {
				t.Errorf("%s: the owner calls: %v", when, err)
				return
			}
			_ = call.Hangup(soon(t))
			register(t, other)
		}
		works("under attack")
		refused := func(when string) {
			t.Helper()
			var status *lab.StatusError
			if err := traveller.Register(soon(t)); !errors.As(err, &status) {
				t.Errorf("%s: the right password elsewhere: %v, want a refusal", when, err)
			}
		}
		refused("under attack")

		w.stop(syscall.SIGKILL)
		w.start()
		attack() // the restarted daemon sees that it goes on
		if !restricted() {
			t.Error("the restriction did not survive the restart")
		}
		refused("after a restart")
		works("after a restart")
		w.wait("the end of the restriction", 3*quiet, func() bool { return !restricted() })
		if after, err := os.ReadFile(conf); err != nil || string(after) != string(before) {
			t.Errorf("the configuration is not what it was: %v\n%s", err, after)
		}
		works("after the attack")
		list, err := w.client().Bans(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range list {
			if b.Prefix.Contains(traveller.Source().Addr()) || b.Prefix.Contains(owner.Source().Addr()) {
				t.Errorf("banned: %+v", b)
			}
		}
		w.wait("the right password to be accepted anywhere", 5*time.Second, func() bool { return traveller.Register(soon(t)) == nil })
	})
}

// restrictAnybody restricts extensions that have not lived in one network for long.
const restrictAnybody = "[restrict]\nlived = \"off\"\n"

// An operator lifts a restriction early for a traveller, who can register then and
// is not taken for a thief.
func TestUnlockEndsARestriction(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{})
	owner := addPhone(t, addHost(t, l, "owner", "198.51.100.10"), "1002")
	register(t, owner)
	traveller := addPhone(t, addHost(t, l, "hotel", "192.0.2.90"), "1002")
	w := guardWith(t, l, restrictAnybody)
	bots := addHost(t, l, "bots", "198.18.0.0/16")
	w.shelter(func() { guessFromEverywhere(t, bots, "1002") })
	if err := traveller.Register(soon(t)); err == nil {
		t.Error("the right password is accepted from an unknown network")
	}
	if out, err := w.tollwarden("accounts", "--socket", w.socket()); err != nil || !strings.Contains(out, "limited to its known networks 198.51.100.0/24") {
		t.Errorf("accounts says %s, %v", out, err)
	}
	out, err := w.tollwarden("unlock", "1002", "--socket", w.socket())
	if err != nil || !strings.Contains(out, "lifted") {
		t.Fatalf("%v: %s", err, out)
	}
	register(t, traveller)
	w.wait("the traveller's registration to be judged", 5*time.Second, func() bool {
		out, err := w.tollwarden("allow", "list", "--socket", w.socket())
		return err == nil && strings.Contains(out, "192.0.2.90")
	})
	for _, i := range w.incidents() {
		if crosses(i, "break-in") {
			t.Errorf("the traveller is taken for a thief: %s", i.Reason)
		}
	}
	register(t, traveller)
}

// Where FreePBX generates the files, the restriction is written to the custom file,
// beside a lock: it survives Apply Config, and leaves no trace when it ends.
func TestShelterInGeneratedFiles(t *testing.T) {
	t.Parallel()
	o := generated(lab.Asterisk22)
	l := lab.New(t, o)
	at := func(name, address string) *lab.Phone {
		p, err := addHost(t, l, name, address).Phone("3001", "generated-3001", lab.PhoneOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	owner, traveller := at("owner", "198.51.100.10"), at("hotel", "192.0.2.90")
	register(t, owner)
	w := guardWith(t, l, restrictAnybody)
	bots := addHost(t, l, "bots", "198.18.0.0/16")
	w.shelter(func() { guessFromEverywhere(t, bots, "3001") })
	sheltered := func(when string) {
		t.Helper()
		register(t, owner)
		if err := traveller.Register(soon(t)); err == nil {
			t.Errorf("%s: the right password is accepted from an unknown network", when)
		}
	}
	sheltered("under attack")
	calls(t, "under attack", owner, true)
	if out, err := w.tollwarden("lock", "3001", "--socket", w.socket()); err != nil {
		t.Fatalf("lock: %v: %s", err, out)
	}
	w.applyConfig(o)
	sheltered("after Apply Config")
	calls(t, "locked", owner, false)
	if out, err := w.tollwarden("unlock", "3001", "--socket", w.socket()); err != nil || !strings.Contains(out, "lifted") {
		t.Fatalf("unlock: %v: %s", err, out)
	}
	asGenerated(t, l, o)
	register(t, traveller)
	calls(t, "unlocked", traveller, true)
}

// shelter repeats an attack until the account is restricted. How many guesses prove
// their source depends on how soon the wire is watched for each.
func (w *warden) shelter(attack func()) {
	w.t.Helper()
	w.wait("the restriction", 20*time.Second, func() bool {
		if !w.sheltered() {
			attack()
		}
		return w.sheltered()
	})
}

// sheltered says whether a restriction is in force, as Asterisk itself confirmed.
func (w *warden) sheltered() bool {
	w.t.Helper()
	for _, i := range w.incidents() {
		for _, s := range i.Steps {
			if crosses(i, "extension under attack") && s.Step == "restrict" && s.State == "done" {
				return true
			}
		}
	}
	return false
}

// guessFromEverywhere makes two guesses at an account from each of forty
// networks, as softphones make them.
func guessFromEverywhere(t *testing.T, bots *lab.Host, account string) {
	t.Helper()
	for i := range 40 {
		p, err := bots.Phone(account, "wrong", lab.PhoneOptions{From: netip.AddrFrom4([4]byte{198, 18, byte(i), 66})})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
			_ = p.Register(ctx) // refused, one way or another
			cancel()
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
