package test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// The daemon is interrupted while it loads very many bans: killed, rebooted, and
// its ruleset flushed, while guessers attack and an operator lifts bans. In the
// end the daemon and the kernel hold exactly the bans they should.
func TestInterruptedWhileLoadingBans(t *testing.T) {
	const many = 30_000
	b := newBooth(t, onlyGuessing)
	last := func(i int) netip.Prefix { // these are loaded last
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32)
	}
	l, err := ledger.Open(filepath.Join(b.data(), "ledger.db"), ledger.Options{Queue: 2 * many})
	if err != nil {
		t.Fatal(err)
	}
	now, wanted := time.Now(), map[netip.Prefix]bool{}
	put := func(p netip.Prefix) {
		l.PutBan(ledger.Ban{Prefix: p, Since: now, Until: now.Add(24 * time.Hour), Origin: "password guessing", Offence: 1})
		wanted[p] = true
	}
	for i := range many {
		put(netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64 + byte(i>>16), byte(i >> 8), byte(i)}), 32))
	}
	for i := range 200 {
		put(last(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	loading := func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Firewall.Loading != nil
	}
	whileLoading := 0
	for round, cut := range []func(){
		func() { b.stop(syscall.SIGKILL) },
		func() { b.stop(syscall.SIGKILL); b.nft("flush", "ruleset") },
		func() { b.nft("flush", "ruleset"); time.Sleep(50 * time.Millisecond); b.stop(syscall.SIGKILL) },
		func() { b.nft("flush", "ruleset") }, // and goes on
	} {
		b.launch()
		b.connected() // no longer, since the bans are being loaded
		guesser := fmt.Sprintf("198.51.100.%d", round)
		b.pbx.Raw("security", guesses("1002", guesser, 3))
		b.wait("a new guesser's ban", func() bool {
			list, err := b.client().Incidents(t.Context(), 1)
			return err == nil && len(list) == 1 && list[0].Source == guesser && list[0].Steps[0].State == "done"
		})
		wanted[netip.MustParsePrefix(guesser+"/32")] = true
		if _, err := b.client().Unban(t.Context(), control.UnbanOrder{Prefix: last(round)}); err != nil {
			t.Fatal(err)
		}
		delete(wanted, last(round))
		if loading() {
			whileLoading++
			if out := b.run("status", "--socket", b.socket()).out; loading() && !strings.Contains(out, "loading ") {
				t.Errorf("status: %s", out)
			}
		}
		cut()
	}
	b.wait("all the bans", func() bool { return !loading() })
	b.wait("a healthy daemon", func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Health == control.Healthy
	})
	bans, err := b.client().Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kernel := b.hosts()
	if len(bans) != len(wanted) || len(kernel) != len(wanted) {
		t.Errorf("the daemon has %d bans and the kernel %d, want %d", len(bans), len(kernel), len(wanted))
	}
	for _, ban := range bans {
		if !wanted[ban.Prefix] || !kernel[ban.Prefix] {
			t.Errorf("the daemon has %s; wanted: %t, in the kernel: %t", ban.Prefix, wanted[ban.Prefix], kernel[ban.Prefix])
		}
	}
	if whileLoading == 0 {
		t.Error("every load was over before it could be interrupted")
	}
}
