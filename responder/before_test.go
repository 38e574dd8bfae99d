package responder_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
)

// logOfBefore is a log of the time before the start.
type logOfBefore struct {
	engine  *responder.Engine
	guesses []judge.Guess
	lines   []event.Event // an hour ago, a second each
	asked   []string
}

func (l *logOfBefore) Guesses(context.Context) []judge.Guess {
	l.asked = append(l.asked, "guesses")
	return l.guesses
}

func (l *logOfBefore) Reported(context.Context) bool {
	l.asked = append(l.asked, "lines")
	for i := range l.lines {
		l.engine.Report(noon.Add(time.Duration(i)*time.Second-time.Hour), intake.SensorSecurityLog, &l.lines[i])
	}
	l.lines = nil
	return true
}

func (l *logOfBefore) Unknown() string { return "nothing is known of the time before" }

// What was guessed comes first, then the registrations, then the log line by line: a thief
// who came before the first start makes no place known, and an office with an old password
// among its phones is protected when the lines about it are judged.
func TestTheTimeBeforeTheStart(t *testing.T) {
	books, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close()
	office, thief := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("203.0.113.7")
	failed := func(account string, from netip.Addr) event.Event {
		return event.Event{Kind: event.ChallengeResponseFailed, Service: []byte("PJSIP"), AccountID: []byte(account), SessionID: []byte("x"), Transport: event.TCP, Remote: netip.AddrPortFrom(from, 5060)}
	}
	before := &logOfBefore{guesses: []judge.Guess{
		{Source: thief, Account: "1002", Failures: 6, First: noon.Add(-time.Hour), Last: noon.Add(-time.Hour)},
		{Source: office, Account: "1003", Failures: 4, First: noon.Add(-time.Hour), Last: noon.Add(-time.Minute)},
	}}
	for range 4 {
		before.lines = append(before.lines, failed("1003", office), failed("1002", thief))
	}
	pbx := &exchange{asked: map[string]int{}, contacts: []places.Contact{
		{Account: "1001", Source: office, Port: 5070}, {Account: "1002", Source: thief, Port: 5060}, {Account: "1004", Source: office, Port: 5071},
	}}
	var log strings.Builder
	h := &harness{kernel: &memoryFirewall{}, pbx: pbx}
	policy := guessing(3)
	before.engine, err = responder.New(t.Context(), noon, policy, responder.Parts{
		Firewall: h.kernel, Calls: pbx, Accounts: pbx, Inventory: pbx, Before: before, Ledger: books, Log: zerolog.New(&log),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := before.engine.Resync(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(before.asked, ", "); got != "guesses, lines" {
		t.Errorf("asked for %s", got)
	}
	protected := map[netip.Addr]bool{}
	for _, p := range before.engine.Protected() {
		protected[p.Prefix.Addr()] = true
	}
	if !protected[office] || protected[thief] {
		t.Errorf("protected: %v", protected)
	}
	if !strings.Contains(log.String(), "nothing is known of the time before") {
		t.Errorf("the log:\n%s", &log)
	}
	at := noon.Add(-time.Hour + time.Minute)
	if _, banned := before.engine.Bans.Registry.Covering(at, netip.PrefixFrom(office, 32)); banned {
		t.Error("the office is banned")
	}
	if _, banned := before.engine.Bans.Registry.Covering(at, netip.PrefixFrom(thief, 32)); !banned {
		t.Error("the guesser is not banned")
	}
}
