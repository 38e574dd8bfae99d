package responder_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
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
}

func newPlayer(tb testing.TB, text []byte) *player {
	tb.Helper()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	h, err := responder.New(tb.Context(), noon, guessing(3), responder.Parts{Firewall: &memoryFirewall{}, Calls: &exchange{}, Accounts: &exchange{}, Inventory: &exchange{}, Ledger: l, Log: zerolog.Nop()})
	if err != nil {
		tb.Fatal(err)
	}
	p := &player{h: h, text: text, src: bytes.NewReader(text), now: noon}
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
	b.ReportAllocs()
	for b.Loop() {
		p.next(b)
	}
}
