package responder_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// restarted is a site whose engine starts over a ledger with these bans, and so
// many offences of the villain's before.
func restarted(t *testing.T, now time.Time, offences int, list ...incident.Ban) *harness {
	t.Helper()
	h := newHarness(t, guessing(3))
	for _, b := range list {
		b.Since = now.Add(-time.Hour)
		h.ledger.PutBan(b)
	}
	for n := range offences {
		h.ledger.AddOffence(villain, now.Add(-time.Duration(n+1)*time.Hour))
	}
	h.Engine = h.again(t, now, guessing(3))
	return h
}

func (h *harness) banOf(now time.Time, prefix netip.Prefix) (incident.Ban, bool) {
	bans := h.Bans.List(now)
	i := slices.IndexFunc(bans, func(b incident.Ban) bool { return b.Prefix == prefix })
	if i < 0 {
		return incident.Ban{}, false
	}
	return bans[i], true
}

// Every ban of the ledger is in force when the engine has started, and orders
// about them hold.
func TestStartRestoresTheBans(t *testing.T) {
	now := time.Now()
	listed := netip.MustParsePrefix("203.0.113.5/32")
	var list []incident.Ban
	for i := range 5000 {
		addr := netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})
		list = append(list, incident.Ban{Prefix: netip.PrefixFrom(addr, 32), Until: now.Add(24 * time.Hour)})
	}
	h := restarted(t, now, 0, append(list, incident.Ban{Prefix: villain}, incident.Ban{Prefix: listed})...)
	if n := len(h.kernel.dropped()); n != 5002 || h.Bans.Count() != 5002 {
		t.Fatalf("%d dropped, %d in the registry; want 5002", n, h.Bans.Count())
	}
	if r, err := h.Bans.Unban(villain, false, 0); err != nil || len(r.Bans) != 1 {
		t.Errorf("released %v, %v", r.Bans, err)
	}
	if _, dropped := h.kernel.ban(villain.Addr()); dropped {
		t.Error("a released address is still dropped")
	}
	if r, err := h.Bans.UnbanAll(false, 0); err != nil || len(r.Bans) != 5001 || len(h.kernel.dropped()) != 0 {
		t.Errorf("released %d, %v; %d still dropped", len(r.Bans), err, len(h.kernel.dropped()))
	}
}

// A guesser whose ban or offences are from before the start gets what they are
// worth.
func TestVerdictsAfterAStart(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		was      *incident.Ban
		offences int
		heard    func(string) string
		forever  bool
		want     time.Duration
		offence  int
	}{
		"a new one":                 {nil, 0, proven, false, time.Hour, 1},
		"one that offended before":  {nil, 1, proven, false, 24 * time.Hour, 2},
		"banned already":            {&incident.Ban{Until: now.Add(7 * 24 * time.Hour), Offence: 1}, 1, proven, false, 7 * 24 * time.Hour, 1},
		"banned by an operator":     {&incident.Ban{Origin: incident.OriginOperator}, 0, proven, true, 0, 0},
		"banned whole, now spoofed": {&incident.Ban{Until: now.Add(2 * time.Hour), Offence: 1}, 1, func(s string) string { return s }, false, 2 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var list []incident.Ban
			if tc.was != nil {
				tc.was.Prefix = villain
				list = append(list, *tc.was)
			}
			h := restarted(t, now, tc.offences, list...)
			h.hear(t, now, []byte(tc.heard(failures("1002", villain.Addr().String(), 3))))
			h.settled(t)
			ban, _ := h.banOf(now, villain)
			if ban.Forever() != tc.forever || !tc.forever && ban.Until.Sub(now).Round(time.Minute) != tc.want || ban.Offence != tc.offence || ban.Spoofable() {
				t.Errorf("banned: %+v, for %s", ban, ban.Until.Sub(now))
			}
			if b, dropped := h.kernel.ban(villain.Addr()); !dropped || !b.Until.Equal(ban.Until) || b.Spoofable() {
				t.Errorf("the kernel has %+v, %t", b, dropped)
			}
		})
	}
}

// A guesser that proves nothing goes on where it was on its ladder, and a closed
// network stays closed; but near a place of 60 days ago nothing climbs, though the
// address there is no longer known.
func TestSpoofableLadderAfterAStart(t *testing.T) {
	now := time.Now()
	b := villain.Addr().As4()
	b[2], b[3] = b[2]+1, 7
	neighbour := netip.AddrFrom4(b).String() + "/32"
	for name, tc := range map[string]struct {
		place string
		want  time.Duration
	}{
		"nobody lives near":  {"203.0.113.7/32", 4 * time.Hour},
		"an account does so": {neighbour, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, guessing(3))
			network := netip.MustParsePrefix("100.64.7.0/24")
			h.ledger.PutRepeat(ledger.Record{Prefix: villain, Number: 2, Last: now.Add(-2 * time.Hour)})
			h.ledger.PutRepeat(ledger.Record{Prefix: network, Number: 3, Last: now.Add(-time.Hour)})
			h.ledger.PutBan(incident.Ban{Prefix: network, Since: now.Add(-time.Hour), Until: now.Add(time.Hour), Scope: incident.ScopeSIP})
			h.ledger.PutPlace(ledger.Place{Account: "1001", Prefix: netip.MustParsePrefix(tc.place), LastSuccess: now.Add(-60 * 24 * time.Hour)})
			p := guessing(3)
			p.Ladder.Spoofable = []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}
			p.Known = 30 * 24 * time.Hour
			h.Engine = h.again(t, now, p)
			h.hear(t, now, []byte(failures("1002", villain.Addr().String(), 3)))
			h.settled(t)
			ban, _ := h.banOf(now, villain)
			if got := ban.Until.Sub(now).Round(time.Minute); got != tc.want || ban.Repeat != 3 || ban.Offence != 0 {
				t.Errorf("banned for %s: %+v", got, ban)
			}
			if ban, _ := h.banOf(now, network); ban.Rung() != "may be spoofed, 3rd time in a row" || !ban.Network() {
				t.Errorf("the network: %+v", ban)
			}
			repeats, err := h.ledger.Repeats(t.Context(), now.Add(-time.Minute))
			if err != nil || len(repeats) != 1 || repeats[0].Number != 3 {
				t.Errorf("the ledger has %+v, %v", repeats, err)
			}
		})
	}
}

// A start that is stopped leaves every ban as it was; one whose time is up goes on
// with what it has.
func TestStoppedStart(t *testing.T) {
	for name, tc := range map[string]struct {
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		fails bool
	}{
		"stopped": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			c, cancel := context.WithCancel(ctx)
			cancel()
			return c, cancel
		}, true},
		"its time is up": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, -time.Second)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, guessing(3))
			now := time.Now()
			if err := h.kernel.Ban(now, []incident.Ban{{Prefix: villain, Until: now.Add(time.Hour)}}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := tc.ctx(t.Context())
			defer cancel()
			_, err := responder.New(ctx, now, guessing(3), responder.Parts{Firewall: h.kernel, Calls: h.pbx, Accounts: h.pbx, Inventory: h.pbx, Ledger: h.ledger, Log: zerolog.Nop()})
			if (err != nil) != tc.fails {
				t.Errorf("%v", err)
			}
			if got := h.kernel.dropped(); !slices.Equal(got, []string{villain.String()}) {
				t.Errorf("dropped: %v", got)
			}
		})
	}
}
