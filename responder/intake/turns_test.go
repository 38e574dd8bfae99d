package intake

import (
	"testing"
	"time"
)

// A phone restarts behind the NAT of a guesser that answers 20 challenges of its own a second:
// it signs in within seconds, and the guesser gets no more answers than before. (From dozens of
// ports in turn, each of which waits as a phone does, it can make the phone wait for minutes.)
func TestPhoneRestartsBesideAGuesser(t *testing.T) {
	for name, tc := range map[string]struct {
		port func(n int) int // of the guesser's n-th guess
		want time.Duration   // until the phone is in, at most
	}{
		"from one port":             {func(int) int { return 5070 }, 4 * time.Second},
		"from a new port each time": {func(n int) int { return 10000 + n%50000 }, 4 * time.Second},
		"from eight ports in turn":  {func(n int) int { return 10000 + n%8 }, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, p *pbx) {
				start, call := p.now, 1000
				var nonce string
				var sent []time.Duration // when the phone sends its request with credentials
				for again := range 4 {   // and again after half a minute, with a new challenge
					for _, after := range []time.Duration{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500} {
						sent = append(sent, time.Minute+time.Duration(again)*32*time.Second+after*time.Millisecond)
					}
				}
				refused, attempts := 0, 0
				for n := range 20 * 60 * 3 {
					now := time.Duration(n) * 50 * time.Millisecond
					p.now = start.Add(now)
					call++
					challenge, _ := p.ask(at(tc.port(n)), call, 1, "", "")
					if _, status := p.ask(at(tc.port(n)), call, 2, challenge, "wrong"); status != 0 {
						refused++
					}
					if len(sent) == 0 || now < sent[0] {
						continue
					}
					if attempts%10 == 0 {
						nonce, _ = p.ask(at(40000), attempts, 1, "", "")
					}
					attempts++
					sent = sent[1:]
					if _, status := p.ask(at(40000), attempts/10, 2, nonce, "right"); status == 200 {
						waited := now - time.Minute
						t.Logf("the phone waits %s, while %d guesses of %d are answered", waited, refused, n)
						if waited > tc.want {
							t.Errorf("the phone waits %s", waited)
						}
						if most := Ration*(int(now/RationPer)+1) + 3; refused > most { // nonces may share a place
							t.Errorf("%d guesses are answered in %s", refused, now)
						}
						return
					}
				}
				t.Error("the phone does not get in within two minutes")
			})
		})
	}
}
