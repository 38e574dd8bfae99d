package responder_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// ordinary is what a PBX says on a quiet day: phones that register, from a
// hundred places, and now and then a mistyped password.
func ordinary() []byte {
	var b bytes.Buffer
	for i := range 100 {
		source := fmt.Sprintf("198.51.100.%d", i)
		account := fmt.Sprint(1000 + i)
		b.WriteString(security("ChallengeSent", account, fmt.Sprintf("c-%d", i), source, "Challenge: \r\n"))
		b.WriteString(success(account, source))
	}
	return b.Bytes()
}

// player hands the same blocks to a responder over and over, each round a
// second later.
type player struct {
	h    *responder.Engine
	text []byte
	src  *bytes.Reader
	r    *ami.Reader
	now  time.Time
	// ports are the local ports that events named.
	ports []uint16
}

func newPlayer(tb testing.TB, text []byte) *player {
	tb.Helper()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	p := &player{text: text, src: bytes.NewReader(text), now: noon}
	p.h, err = responder.New(tb.Context(), noon, guessing(3), responder.Parts{
		Firewall: &memoryFirewall{}, Calls: &exchange{}, Accounts: &exchange{}, Inventory: &exchange{}, Ledger: l, Log: zerolog.Nop(),
		LocalPort: func(_ event.Transport, port uint16) { p.ports = append(p.ports[:0], port) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	p.r = ami.NewReader(p)
	return p
}

// Read gives the text without an end.
func (p *player) Read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	if err != nil {
		p.src.Reset(p.text)
		p.now = p.now.Add(time.Second)
		return p.src.Read(b)
	}
	return n, nil
}

func (p *player) next(tb testing.TB) {
	block, err := p.r.Next()
	if err != nil {
		tb.Fatal(err)
	}
	p.h.Handle(p.now, block)
}

// An ordinary event costs no allocation on its whole way from the socket's
// bytes to the score.
func TestAnOrdinaryEventAllocatesNothing(t *testing.T) {
	p := newPlayer(t, ordinary())
	for range 2000 { // every account and place is known by now
		p.next(t)
	}
	if n := testing.AllocsPerRun(20000, func() { p.next(t) }); n >= 0.01 {
		t.Errorf("%.3f allocations per event, want none", n)
	}
}

func BenchmarkHandle(b *testing.B) {
	p := newPlayer(b, ordinary())
	for range 2000 { // every account and place is known by now
		p.next(b)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.next(b)
	}
}

// The local port of a security event is passed on, but not that of WebSocket, or of a
// block that Asterisk did not write.
func TestLocalPort(t *testing.T) {
	guess := failure("1002", "203.0.113.9", 1)
	at := func(port, transport string) string {
		from, _, _ := strings.Cut(guess[strings.Index(guess, "LocalAddress: "):], "\r\n")
		return strings.ReplaceAll(strings.Replace(guess, from, "LocalAddress: IPV4/UDP/192.0.2.10/"+port, 1), "/UDP/", "/"+transport+"/")
	}
	for name, tt := range map[string]struct {
		text string
		want []uint16
	}{
		"UDP":      {at("5160", "UDP"), []uint16{5160}},
		"TCP":      {at("5160", "TCP"), []uint16{5160}},
		"WSS":      {at("8089", "WSS"), nil},
		"tampered": {strings.Replace(at("5160", "UDP"), "LocalAddress", "LocalAddress: IPV4/UDP/192.0.2.10/10000\r\nLocalAddress", 1), nil},
	} {
		p := newPlayer(t, []byte(tt.text))
		p.next(t)
		if !slices.Equal(p.ports, tt.want) {
			t.Errorf("%s: %v, want %v", name, p.ports, tt.want)
		}
	}
}
