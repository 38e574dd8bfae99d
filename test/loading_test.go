package test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// A daemon with very many bans is killed, rebooted and robbed of its ruleset as
// soon as it has started, while guessers come and a person gives orders. In the
// end the registry and the kernel hold what they should.
func TestRestartsWithManyBans(t *testing.T) {
	t.Parallel()
	const many = 30_000
	b := newBooth(t, onlyGuessing)
	last := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32)
	}
	l, err := ledger.Open(filepath.Join(b.data(), "ledger.db"), ledger.Options{Queue: 2 * many})
	if err != nil {
		t.Fatal(err)
	}
	now, wanted := time.Now(), map[netip.Prefix]bool{}
	put := func(p netip.Prefix) {
		l.PutBan(incident.Ban{Prefix: p, Since: now, Until: now.Add(24 * time.Hour), Origin: "password guessing", Offence: 1})
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

	for round, cut := range []func(){
		func() { b.stop(syscall.SIGKILL) },
		func() { b.stop(syscall.SIGKILL); b.nft("flush", "ruleset") },
		func() { b.nft("flush", "ruleset"); time.Sleep(50 * time.Millisecond); b.stop(syscall.SIGKILL) },
		func() { b.nft("flush", "ruleset") }, // and goes on
	} {
		b.start()
		guesser := fmt.Sprintf("198.51.100.%d", round)
		b.pbx.Raw("security", guesses("1002", guesser, 3))
		b.wait("a new guesser's ban", func() bool {
			list, err := b.client().Incidents(t.Context(), 1)
			return err == nil && len(list) == 1 && list[0].Source.String() == guesser && list[0].Steps[0].State == "done"
		})
		wanted[netip.MustParsePrefix(guesser+"/32")] = true
		if _, err := b.client().Unban(t.Context(), control.UnbanOrder{Prefix: last(round)}); err != nil {
			t.Fatal(err)
		}
		delete(wanted, last(round))
		cut()
	}
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
		t.Errorf("%d bans in the registry and %d in the kernel, want %d", len(bans), len(kernel), len(wanted))
	}
	for _, ban := range bans {
		if !wanted[ban.Prefix] || !kernel[ban.Prefix] {
			t.Errorf("%s is in the registry; wanted: %t, in the kernel: %t", ban.Prefix, wanted[ban.Prefix], kernel[ban.Prefix])
		}
	}
}
