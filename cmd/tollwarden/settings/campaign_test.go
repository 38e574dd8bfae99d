package settings

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// guess is one guess of a campaign.
type guess struct {
	at      time.Time
	account string
	source  netip.Addr
}

// campaign draws guesses: three a day at each of fifty extensions, from seventeen
// addresses in as many networks, none of which makes more than nine a day.
func campaign(r *rand.Rand, days int) (list []guess, sources []netip.Addr) {
	for i := range 17 {
		sources = append(sources, netip.AddrFrom4([4]byte{192, 0, byte(i), 66}))
	}
	for day := range days {
		var accounts []string
		for i := range 50 {
			accounts = append(accounts, slices.Repeat([]string{fmt.Sprint(1001 + i)}, 3)...)
		}
		r.Shuffle(len(accounts), func(i, j int) { accounts[i], accounts[j] = accounts[j], accounts[i] })
		for i, account := range accounts {
			turn := time.Duration(i/17)*160*time.Minute + time.Duration(r.Int64N(int64(90*time.Minute)))
			list = append(list, guess{firstDay.Add(time.Duration(day)*24*time.Hour + turn), account, sources[i%17]})
		}
	}
	slices.SortFunc(list, func(a, b guess) int { return a.at.Compare(b.at) })
	return list, sources
}

// forge sends forged packets: any address, any extension.
func (s *slowSite) forge(r *rand.Rand, n int) {
	for range n {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], r.Uint32())
		s.attempt(event.ChallengeResponseFailed, fmt.Sprint(1001+r.IntN(50)), netip.AddrFrom4(b), event.UDP)
	}
}

// Fifty extensions, three guesses a day at each, from seventeen addresses: every
// address is banned within two days, and a person gets one message. A daemon that is
// killed in between loses nothing, and a flood of forged packets hides nothing.
func TestCampaign(t *testing.T) {
	for name, tc := range map[string]struct {
		transport event.Transport
		restart   time.Duration // every so often; 0 is never
		forged    int           // packets, every eighteen hours
		messages  int
		orders    uint64 // in which the guesses are played
	}{
		"proven":                   {event.TCP, 0, 0, 1, 2},
		"may be spoofed":           {event.UDP, 0, 0, 1, 2},
		"the daemon restarts":      {event.TCP, 5 * time.Hour, 0, 1, 2},
		"spoofed, and it restarts": {event.UDP, 5 * time.Hour, 0, 1, 2},
		"among forged packets":     {event.TCP, 0, 20_000, 2, 1}, // forged ones bring the first, proof the second
		"forged packets, restarts": {event.TCP, 5 * time.Hour, 20_000, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range tc.orders {
				r := rand.New(rand.NewPCG(seed, 7))
				s := newSlowSite(t, slowPolicy(t), tc.transport)
				list, sources := campaign(r, 2)
				next, flood := firstDay.Add(tc.restart), firstDay
				for _, g := range list {
					s.until(g.at)
					if tc.restart > 0 && g.at.After(next) {
						s.start(t)
						next = next.Add(tc.restart)
					}
					if tc.forged > 0 && g.at.After(flood) {
						s.forge(r, tc.forged)
						flood = flood.Add(18 * time.Hour)
					}
					s.fail(g.account, g.source)
				}
				banned := s.bannedSources(tc.transport == event.TCP)
				for _, source := range sources {
					if !banned[netip.PrefixFrom(source, 32)] {
						t.Errorf("seed %d: %s is not banned", seed, source)
					}
				}
				if told := s.told()["guessing campaign"]; told != tc.messages {
					t.Errorf("seed %d: %d messages, want %d", seed, told, tc.messages)
				}
				if tc.forged == 0 && len(s.told()) != 1 {
					t.Errorf("seed %d: messages: %v", seed, s.told())
				}
			}
		})
	}
}

// The incident names the addresses and what each of them did.
func TestCampaignIsReadable(t *testing.T) {
	s := newSlowSite(t, slowPolicy(t), event.TCP)
	list, _ := campaign(rand.New(rand.NewPCG(1, 7)), 1)
	for _, g := range list {
		s.until(g.at)
		s.fail(g.account, g.source)
	}
	for _, i := range s.incidents {
		if i.Threshold == "guessing campaign" {
			t.Log(i.Reason)
			if !strings.Contains(i.Reason, "15 extensions guessed at within 2 hours from 16 addresses where they are not used: 192.0.") || i.Account != "" || len(i.Evidence) < 15 {
				t.Errorf("%d records, account %q: %s", len(i.Evidence), i.Account, i.Reason)
			}
			return
		}
	}
	t.Error("no incident")
}

// A campaign that goes on for a month makes a message a week.
func TestCampaignGoesOn(t *testing.T) {
	s := newSlowSite(t, slowPolicy(t), event.TCP)
	r := rand.New(rand.NewPCG(3, 7))
	for at := firstDay; at.Before(firstDay.Add(28 * 24 * time.Hour)); at = at.Add(10 * time.Minute) {
		s.until(at)
		if at.Sub(s.pruned) == 0 && at.Hour() == 5 {
			s.start(t)
		}
		s.fail(fmt.Sprint(1001+r.IntN(50)), netip.AddrFrom4([4]byte{byte(20 + r.IntN(150)), byte(r.IntN(250)), byte(r.IntN(250)), 1}))
	}
	if told := s.told(); told["guessing campaign"] != 4 || len(told) > 1 {
		t.Errorf("messages: %v", told)
	}
}
