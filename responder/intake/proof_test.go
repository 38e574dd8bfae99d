package intake

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// proofOf is what an event over UDP proves of its address.
func proofOf(p *Proof, at time.Time, e *event.Event) score.Proof {
	o := translate(at, e)
	p.weigh(at, e, &o)
	return o.Proof
}

// A nonce proves the address it was sent to, for a while, and no other.
func TestNonceProvesItsAddress(t *testing.T) {
	thief := netip.MustParseAddr("203.0.113.7")
	for name, tc := range map[string]struct {
		to     netip.Addr
		nonce  string
		before time.Duration
		answer *event.Event
		want   score.Proof
	}{
		"it answers what it got":         {thief, "1/a", time.Second, guess("s", answering("1/a")), score.Proven},
		"it answers what another got":    {thief.Next(), "1/a", time.Second, guess("s", answering("1/a")), score.Spoofable},
		"it answers something made up":   {thief, "1/b", time.Second, guess("s", answering("1/a")), score.Spoofable},
		"it answers nothing":             {thief, "", time.Second, guess("s"), score.Spoofable},
		"it answers what it got before":  {thief, "1/a", 10 * time.Minute, guess("s", answering("1/a")), score.Spoofable},
		"just within the nonce's time":   {thief, "1/a", (nonceLasts - 1) * time.Second, guess("s", answering("1/a")), score.Proven},
		"just after it":                  {thief, "1/a", nonceLasts * time.Second, guess("s", answering("1/a")), score.Spoofable},
		"before it was sent":             {thief, "1/a", -time.Minute, guess("s", answering("1/a")), score.Spoofable},
		"chan_sip's challenge":           {thief, "1/a", time.Second, guess("s", answering("1/a"), service("SIP")), score.Spoofable},
		"another event's challenge":      {thief, "1/a", time.Second, raised(event.InvalidPassword, "s", answering("1/a")), score.Spoofable},
		"another address of its /64":     {netip.MustParseAddr("2001:db8::1"), "1/a", time.Second, guess("s", answering("1/a"), from("2001:db8::2")), score.Proven},
		"a connection proves by itself":  {thief, "1/b", time.Second, guess("s", over(event.TCP)), score.Proven},
		"chan_sip's connection does not": {thief, "1/b", time.Second, guess("s", over(event.TCP), service("SIP")), score.Spoofable},
	} {
		p := newProof()
		if !p.Challenged(noon.Add(-tc.before), tc.to, []netip.Addr{tc.to}, []byte(tc.nonce)) {
			t.Errorf("%s: the challenge was misdirected", name)
		}
		if got := proofOf(p, noon, tc.answer); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// A nonce that was misdirected is no proof for whom it was for, and a login of
// that address proves nothing for a while. That somebody wrote the address into
// another answer costs it no more than the latter. When challenges were missed,
// nothing over UDP is proof. A connection proves as much as ever.
func TestMisdirectedAnswers(t *testing.T) {
	victim, spoofer := netip.MustParseAddr("198.51.100.44"), netip.MustParseAddr("192.0.2.66")
	guessed := guess("s", answering("1/a"), from(victim.String()))
	login := raised(event.SuccessfulAuth, "s", from(victim.String()))
	misdirected := func(to netip.Addr, nonce string, of ...netip.Addr) func(*testing.T, *Proof) {
		return func(t *testing.T, p *Proof) {
			if p.Challenged(noon, to, of, []byte(nonce)) {
				t.Error("taken for direct")
			}
		}
	}
	unseen := func(_ *testing.T, p *Proof) { p.Unseen(noon) }
	leaked := misdirected(spoofer, "1/a", victim)
	for name, tc := range map[string]struct {
		before func(*testing.T, *Proof)
		after  time.Duration
		event  *event.Event
		want   score.Proof
	}{
		"its nonce":                {leaked, time.Second, guessed, score.Spoofable},
		"another's nonce":          {misdirected(spoofer, "1/b", victim.Next()), time.Second, guessed, score.Proven},
		"its nonce before":         {misdirected(spoofer, "1/b", victim), time.Second, guessed, score.Proven},
		"its nonce, disguised":     {misdirected(spoofer, "1/a", netip.Addr{}, victim), time.Second, guessed, score.Spoofable},
		"its nonce, of nobody":     {misdirected(spoofer, "1/a"), time.Second, guessed, score.Spoofable},
		"of one or another":        {misdirected(victim, "1/a", victim, victim), time.Second, guessed, score.Spoofable},
		"written by somebody else": {misdirected(spoofer, "1/b", victim, spoofer), time.Second, guessed, score.Proven},
		"some were missed":         {unseen, time.Second, guessed, score.Spoofable},
		"long after":               {leaked, 11 * time.Minute, guessed, score.Proven},
		"a connection":             {leaked, time.Second, guess("s", over(event.TCP), from(victim.String())), score.Proven},
		"a login":                  {leaked, time.Second, login, score.Spoofable},
		"a login, disguised":       {misdirected(spoofer, "1/b", netip.Addr{}, spoofer, victim), time.Second, login, score.Spoofable},
		"a login of another":       {leaked, time.Second, raised(event.SuccessfulAuth, "s"), score.Proven},
		"a login long after":       {leaked, misdirectedLasts * time.Second, login, score.Proven},
		"some missed, a login":     {unseen, time.Second, login, score.Spoofable},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProof()
			tc.before(t, p)
			at := noon.Add(tc.after)
			p.Challenged(at, victim, []netip.Addr{victim}, []byte("1/a"))
			if got := proofOf(p, at, tc.event); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// How long nothing over UDP proves anything is known.
func TestSuspended(t *testing.T) {
	p := newProof()
	if left := p.Suspended(noon); left != 0 {
		t.Errorf("for %s before anything was missed", left)
	}
	p.Unseen(noon)
	for after, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, 9 * time.Minute: time.Minute, 10 * time.Minute: 0, time.Hour: 0} {
		if left := p.Suspended(noon.Add(after)); left != want {
			t.Errorf("%s after: for %s, want %s", after, left, want)
		}
	}
}

// However many nonces and addresses are misdirected and are challenged after,
// none of them is ever taken for proof, and few others lose theirs: what shares a
// place costs proof, and gives none.
func TestMisdirectedStaysDoubtful(t *testing.T) {
	p := newProof()
	source := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x0b000000+uint32(i))))
	}
	nonce := func(i int) []byte { return fmt.Append(nil, "1/", i) }
	const misdirected, others = 20_000, 10_000
	for i := range misdirected {
		p.sent(noon, source(i), nonce(i))
		p.leaked(noon, nonce(i))
		p.misdirect(noon, source(i))
	}
	for i := range misdirected + others {
		p.sent(noon, source(i), nonce(i))
	}
	later := noon.Add(time.Minute)
	doubtful, unproven := 0, 0
	for i := range misdirected + others {
		doubt, proof := p.doubtful(later, source(i)), p.answered(later, source(i), nonce(i))
		if i < misdirected {
			if !doubt || proof {
				t.Fatalf("%s: doubtful %t, answered %t", source(i), doubt, proof)
			}
			continue
		}
		if p.answered(later, source(i), nonce(i+1)) || p.answered(later, source(i+1), nonce(i)) {
			t.Fatalf("%s is proven by another's nonce", source(i))
		}
		if doubt {
			doubtful++
		}
		if !proof {
			unproven++
		}
	}
	// 31 addresses for 100 places: two or more at 4 of them, one at 26.
	if doubtful > others*6/100 || unproven > others*40/100 {
		t.Errorf("of %d others, %d are doubtful and %d answered in vain", others, doubtful, unproven)
	}
	if after := noon.Add((misdirectedLasts + 1) * time.Second); p.doubtful(after, source(0)) {
		t.Error("doubtful for ever")
	}
}

func TestNoAddressIsNeverProven(t *testing.T) {
	p := newProof()
	p.Challenged(noon, netip.Addr{}, []netip.Addr{{}}, []byte("1/a"))
	if p.answered(noon, netip.Addr{}, []byte("1/a")) || !p.doubtful(noon, netip.Addr{}) {
		t.Error("an event without an address proves something")
	}
}
