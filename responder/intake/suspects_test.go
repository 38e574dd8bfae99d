package intake

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// pbx is an Asterisk behind a Suspects: it challenges, and checks what passes.
type pbx struct {
	*Suspects
	now   time.Time
	slash string // in the nonces of PJSIP
	n     int
	stale string // of the next challenge

	challenges, refusals, successes int // that were let out
}

// message is a request.
func (p *pbx) message(method string, call, cseq int, nonce, digest string) string {
	credentials := ""
	if nonce != "" {
		credentials = fmt.Sprintf("Authorization: Digest username=\"1002\",nonce=%q,response=%q\r\n", nonce, digest)
	}
	return fmt.Sprintf("%s sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nCall-ID: %d\r\nCSeq: %d %s\r\n%s\r\n", method, call, cseq, method, credentials)
}

// ask sends a request and returns the nonce of the answer, and whether there is one.
func (p *pbx) ask(from netip.AddrPort, call, cseq int, nonce, digest string) (challenge string, status int) {
	if !p.Request(p.now, from, []byte(p.message("REGISTER", call, cseq, nonce, digest)), false) {
		return "", 0
	}
	p.n++
	p.stale = ""
	if digest == "right" {
		p.stale = ",stale=true"
	}
	challenge, status = fmt.Sprintf("17%s%d", p.slash, p.n), 401 // stale, if the digest is right
	switch {
	case digest == "right" && !strings.HasPrefix(nonce, "old"):
		status = 200
	case digest == "wrong" && p.slash == "":
		status = 403
	}
	return p.answer(from, from.Addr(), call, cseq, status, challenge)
}

func (p *pbx) answer(to netip.AddrPort, received netip.Addr, call, cseq, status int, challenge string) (string, int) {
	header := ""
	if status == 401 {
		header = fmt.Sprintf("WWW-Authenticate: Digest nonce=%q%s\r\n", challenge, p.stale)
	}
	if !p.Response(p.now, to, fmt.Appendf(nil, "SIP/2.0 %d x\r\nVia: SIP/2.0/UDP a;received=%s;rport=5060\r\nCall-ID: %d\r\nCSeq: %d REGISTER\r\n%s\r\n", status, received, call, cseq, header)) {
		return "", 0
	}
	switch status {
	case 200:
		p.successes++
	case 401:
		p.challenges++
	default:
		p.refusals++
	}
	return challenge, status
}

// drivers are both channel drivers' Asterisks.
func drivers(t *testing.T, test func(t *testing.T, p *pbx)) {
	for name, slash := range map[string]string{"PJSIP": "/", "chan_sip": ""} {
		t.Run(name, func(t *testing.T) { test(t, &pbx{Suspects: NewSuspects(), now: noon, slash: slash}) })
	}
}

const officeAddress = "198.51.100.10"

func at(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(officeAddress), uint16(port))
}

// After a power cut forty phones of an office sign in, while somebody spoofs requests
// from its address and a guesser in it makes up nonces: every phone gets in with its
// first request, and the guesses that are answered are few.
func TestOfficeReboots(t *testing.T) {
	drivers(t, func(t *testing.T, p *pbx) {
		random := rand.New(rand.NewPCG(1, 2))
		guesses, n := 0, 1000
		guess := func(port int) {
			n++
			if _, status := p.ask(at(port), n, 1, fmt.Sprintf("made%sup-%d", p.slash, n), "wrong"); status != 0 {
				guesses++
			}
		}
		for phone := range 40 {
			port := 40000 + phone
			for range 100 { // in a third of a second
				guess(random.IntN(60000)) // spoofed, blind
				guess(5070)
				p.now = p.now.Add(3 * time.Millisecond)
			}
			nonce, status := p.ask(at(port), phone, 1, "", "")
			if status != 401 {
				t.Errorf("phone %d is not challenged", phone)
			}
			if _, status = p.ask(at(port), phone, 2, nonce, "right"); status != 200 {
				t.Errorf("phone %d does not get in: %d", phone, status)
			}
		}
		if guesses != Ration {
			t.Errorf("%d guesses within 12 s were answered, want %d", guesses, Ration)
		}
	})
}

// Phones sign in from new ports, with the challenges that they have from before their
// address became a suspect: they get a new one, though spoofed guesses take all that is
// left for challenges nobody was sent.
func TestPhonesAnswerWhatTheyHave(t *testing.T) {
	drivers(t, func(t *testing.T, p *pbx) {
		issued := func(to netip.AddrPort, received, nonce string) {
			p.Issued(p.now, to, fmt.Appendf(nil, "SIP/2.0 401 x\r\nVia: SIP/2.0/UDP a;received=%s\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=%q\r\n\r\n", received, nonce))
		}
		for phone := range 20 {
			issued(at(40000+phone), officeAddress, fmt.Sprint("old", p.slash, phone))
		}
		issued(at(5070), "192.0.2.66", "old"+p.slash+"spoofed")
		p.now = p.now.Add(time.Hour)
		for n := range 100 {
			p.ask(at(1024+n), 1000+n, 1, fmt.Sprint("made", p.slash, "up", n), "wrong")
		}
		for phone := range 20 {
			nonce, status := p.ask(at(50000+phone), phone, 2, fmt.Sprint("old", p.slash, phone), "right")
			if _, again := p.ask(at(50000+phone), phone, 3, nonce, "right"); status != 401 || again != 200 {
				t.Errorf("phone %d is answered %d, then %d", phone, status, again)
			}
		}
		if _, status := p.ask(at(5070), 900, 1, "old"+p.slash+"spoofed", "wrong"); status != 0 {
			t.Errorf("a challenge that went elsewhere is worth something: %d", status)
		}
	})
}

// A guesser who answers its own challenges gets no more refusals a minute, however it
// goes about it, and half of them if it does not wait; what succeeds is not counted.
func TestHonestGuesserIsRationed(t *testing.T) {
	for name, batch := range map[string]int{"one after the other": 1, "all challenges first": 200} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, p *pbx) {
				refused := 0
				for minute := range 3 {
					for first := 0; first < 200; first += batch {
						var nonces []string
						for i := range batch {
							nonce, _ := p.ask(at(5070), 1000*minute+first+i, 1, "", "")
							nonces = append(nonces, nonce)
						}
						for i, nonce := range nonces {
							if _, status := p.ask(at(5070+first), 1000*minute+first+i, 2, nonce, "wrong"); status != 0 {
								refused++
							}
						}
					}
					p.now = p.now.Add(RationPer)
				}
				if refused < 3*(Ration-turnsOf) || refused > 3*Ration+5 { // nonces may share a place, and one of them then counts as made up
					t.Errorf("%d refusals in three minutes, want %d", refused, 3*Ration)
				}
			})
		})
	}
}

// A guesser has a request without credentials refused for another reason, in the
// transaction of its guess: that response gives nothing back.
func TestAnotherResponseGivesNothingBack(t *testing.T) {
	for name, order := range map[string]string{"after the refusal": "grb", "before it": "gbr", "asked for before": "bgr"} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, p *pbx) {
				guesses := 0
				for i := range 5 * Ration {
					nonce, _ := p.ask(at(5070), i, 1, "", "")
					guessed := false
					for _, step := range order {
						switch step {
						case 'g':
							if guessed = p.Request(p.now, at(5070), []byte(p.message("REGISTER", i, 2, nonce, "wrong")), false); guessed {
								guesses++
							}
						case 'r':
							if guessed {
								p.answer(at(5070), at(5070).Addr(), i, 2, 401, "x/y")
							}
						case 'b':
							p.Request(p.now, at(5070), []byte(p.message("REGISTER", i, 2, "", "")), false)
							if order[0] != 'b' {
								p.answer(at(5070), at(5070).Addr(), i, 2, 420, "")
							}
						}
					}
					if order[0] == 'b' {
						p.answer(at(5070), at(5070).Addr(), i, 2, 420, "")
					}
				}
				if guesses > Ration {
					t.Errorf("%d guesses pass within a minute, want %d", guesses, Ration)
				}
			})
		})
	}
}

// A phone tries the challenge it had before, which is no longer good, and answers the
// new one.
func TestPhoneWithAnOldChallenge(t *testing.T) {
	drivers(t, func(t *testing.T, p *pbx) {
		nonce := "old" // from before it was suspected
		for call := range 30 {
			next, status := p.ask(at(5060), call, 1, nonce, "right")
			if status == 401 {
				next, status = p.ask(at(5060), call, 2, next, "right")
			}
			for try := 0; status == 0 && try < 2; try++ { // the flood has displaced its challenge: it begins anew
				next, _ = p.ask(at(5060), 2000+call, 2*try+1, "", "")
				next, status = p.ask(at(5060), 2000+call, 2*try+2, next, "right")
			}
			if status != 200 {
				t.Fatalf("try %d: %d", call, status)
			}
			nonce = "old" + next
			p.answer(at(5060), at(5060).Addr(), call, 3, 401, nonce) // for its next request
			for i := range 100 {                                     // spoofed
				p.ask(at(5060), 1000+i, 1, fmt.Sprint("made-up", i), "wrong")
			}
			p.now = p.now.Add(time.Minute / 2)
		}
	})
}

// What is sent again is no further guess; what merely looks so is.
func TestRequestsSentAgainPass(t *testing.T) {
	drivers(t, func(t *testing.T, p *pbx) {
		for name, tc := range map[string]struct {
			digest func(i int) string
			want   int
		}{
			"the same bytes": {func(int) string { return "wrong" }, 50},
			"another digest": {func(i int) string { return fmt.Sprint("wrong", i) }, Ration},
		} {
			passed := 0
			p.now = p.now.Add(2 * RationPer)
			for i := range 50 {
				if p.Request(p.now, at(5060), []byte(p.message("REGISTER", 7, 1, "made-up", tc.digest(i))), false) {
					passed++
				}
			}
			if passed != tc.want {
				t.Errorf("%s: %d pass, want %d", name, passed, tc.want)
			}
		}
	})
}

// Of what is cut off, two guesses may begin with the same bytes.
func TestSameBeginningsAreRationed(t *testing.T) {
	for _, beginning := range []string{"", "REGISTER sip:pbx SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n"} {
		s, passed := NewSuspects(), 0
		for range 50 {
			if s.Request(noon, at(5060), []byte(beginning), true) {
				passed++
			}
		}
		if passed != Ration {
			t.Errorf("%q: %d pass, want %d", beginning, passed, Ration)
		}
	}
}

// Whatever a request looks like that Asterisk might find credentials in, it is
// rationed; what has none passes.
func TestRequestsThatPass(t *testing.T) {
	const end = "Via: a\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n"
	const credentials = "Authorization: Digest username=\"1002\",nonce=\"x\",response=\"a\"\r\n"
	for name, tc := range map[string]struct {
		message   string
		truncated bool
		want      int // of 100
	}{
		"without credentials":    {"REGISTER sip:pbx SIP/2.0\r\n" + end, false, 100},
		"with credentials":       {"REGISTER sip:pbx SIP/2.0\r\n" + credentials + end, false, Ration},
		"a proxy's":              {"INVITE sip:pbx SIP/2.0\r\nproxy-" + strings.ToLower(credentials) + end, false, Ration},
		"behind an empty line":   {"\r\n\r\nREGISTER sip:pbx SIP/2.0\r\n" + credentials + end, false, Ration},
		"behind a lone CR":       {"REGISTER sip:pbx SIP/2.0\r\nX: a\r" + credentials + end, false, Ration},
		"no request line":        {"REGISTER\r\n" + credentials + end, false, Ration},
		"the end is missing":     {"REGISTER sip:pbx SIP/2.0\r\n" + end, true, Ration},
		"an acknowledgement":     {"ACK sip:pbx SIP/2.0\r\n" + credentials + end, false, 100},
		"not read":               {"hello", false, Ration},
		"a tab behind REGISTER":  {"REGISTER\tsip:pbx SIP/2.0\r\nAuth\ror" + credentials[6:] + end, false, Ration},
		"a control character":    {"REGISTER\x01sip:pbx\x02SIP/2.0\r\nAuth\ror" + credentials[6:] + end, false, Ration},
		"a name like the header": {"REGISTER sip:pbx SIP/2.0\r\nX: authorisation\r\n" + end, false, 100},
	} {
		s, passed := NewSuspects(), 0
		for i := range 100 {
			if s.Request(noon, at(5060), fmt.Appendf(nil, "%s%d\r\n\r\n", tc.message, i), tc.truncated) {
				passed++
			}
		}
		if passed != tc.want {
			t.Errorf("%s: %d of 100 pass, want %d", name, passed, tc.want)
		}
	}
}

// A response is let out only to where the request came from, whatever its status.
func TestMisdirectedResponses(t *testing.T) {
	for name, tc := range map[string]struct {
		message string
		want    bool
	}{
		"to the sender":         {"SIP/2.0 401 x\r\nVia: a;received=198.51.100.10\r\nCSeq: 1 A\r\n\r\n", true},
		"mapped":                {"SIP/2.0 401 x\r\nVia: a;received=::ffff:198.51.100.10;rport=1\r\nCSeq: 1 A\r\n\r\n", true},
		"to another":            {"SIP/2.0 401 x\r\nVia: a;received=203.0.113.1\r\nCSeq: 1 A\r\n\r\n", false},
		"a success":             {"SIP/2.0 200 x\r\nVia: a;received=203.0.113.1\r\nCSeq: 1 A\r\n\r\n", false},
		"with an address added": {"SIP/2.0 401 x\r\nVia: a;received=198.51.100.10;received=203.0.113.1\r\nCSeq: 1 A\r\n\r\n", false},
		"with no address":       {"SIP/2.0 401 x\r\nVia: x;received=z:5;received=198.51.100.10\r\nCSeq: 1 A\r\n\r\n", false},
		"in a line of its own":  {"SIP/2.0 401 x\r\nVia: x;received=198.51.100.10\r\ny;received=203.0.113.1\r\nCSeq: 1 A\r\n\r\n", false},
		"of no driver of ours":  {"SIP/2.0 401 x\r\nVia: a\r\nCSeq: 1 A\r\n\r\n", true},
		"no response":           {"hello", true},
	} {
		if got := NewSuspects().Response(noon, at(5060), []byte(tc.message)); got != tc.want {
			t.Errorf("%s: passes %v", name, got)
		}
	}
}

// A challenge counts for the address that it was let out to, for a short time.
func TestChallengesCount(t *testing.T) {
	drivers(t, func(t *testing.T, p *pbx) {
		other := netip.MustParseAddrPort("198.51.100.11:5060")
		nonce, _ := p.ask(at(5060), 1, 1, "", "")
		p.answer(at(5060), other.Addr(), 2, 1, 401, "mis/directed") // held back
		for name, tc := range map[string]struct {
			nonce string
			by    netip.Addr
			after time.Duration
			want  bool
		}{
			"at once":           {nonce, at(1).Addr(), 0, true},
			"an hour later":     {nonce, at(1).Addr(), time.Hour, true},
			"too late":          {nonce, at(1).Addr(), 3 * time.Hour, false},
			"another's":         {nonce, other.Addr(), 0, false},
			"that was not sent": {"mis/directed", at(1).Addr(), 0, false},
			"none":              {"", at(1).Addr(), 0, false},
		} {
			if got := p.challenged(p.now.Add(tc.after), tc.by, []byte(tc.nonce)); got != tc.want {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// However many addresses are suspected, the memory is bounded, and none guesses more.
func TestManySuspects(t *testing.T) {
	s, passed := NewSuspects(), 0
	p := pbx{Suspects: s}
	for i := range maxBudgets + 1000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		if s.Request(noon, from, []byte(p.message("REGISTER", i, 1, "x", "wrong")), false) {
			passed++
		}
	}
	if len(s.budgets) > maxBudgets+1 || passed != maxBudgets+Ration {
		t.Errorf("%d budgets, %d pass", len(s.budgets), passed)
	}
	s.Request(noon.Add(time.Hour), at(5060), []byte(p.message("REGISTER", 1, 1, "x", "wrong")), false)
	if len(s.budgets) > 2 {
		t.Errorf("%d budgets are kept", len(s.budgets))
	}
}

// Whatever crosses the wire breaks nothing, and of what carries credentials no more
// than the rations pass.
func FuzzSuspects(f *testing.F) {
	p := pbx{}
	f.Add(p.message("REGISTER", 1, 1, "a", "b"), "SIP/2.0 401 x\r\nVia: a;received=198.51.100.10\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest nonce=\"a\"\r\n\r\n")
	f.Add("\r\nACK\r\n\r\n", "SIP/2.0 200 OK\r\nVia: a;received=203.0.113.1\r\nCSeq: 1 A\r\n\r\n")
	f.Fuzz(func(t *testing.T, request, response string) {
		s, passed := NewSuspects(), 0
		for i := range 3 * Ration {
			message := fmt.Sprintf("%s%d", request, i)
			if s.Request(noon, at(5060), []byte(message), false) {
				passed++
			}
			s.Response(noon, at(5060), []byte(response))
		}
		if mentions([]byte(request), "authorization") && !strings.HasPrefix(strings.TrimLeft(request, "\r\n"), "ACK ") && passed > 2*Ration && !strings.Contains(response, "SIP/2.0 ") {
			t.Errorf("%d pass", passed)
		}
	})
}

// A guess that is held back costs little: a flood of them must not fill the queue.
func BenchmarkSuspects(b *testing.B) {
	s, p := NewSuspects(), pbx{}
	message := []byte(p.message("REGISTER", 1, 1, "made-up", "0000000000"))
	digest := len(message) - 14
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		message[digest] = byte('a' + i%26)
		s.Request(noon, at(5060), message, false)
	}
}
