package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/sip"
)

const (
	wifi   = "198.51.100.10"
	mobile = "203.0.113.80"
)

// begun is when the wire of these tests is first seen.
var begun = noon

// issued has a nonce leave, in the answer to a request that names an account.
func (s *site) issued(t *testing.T, at time.Time, account, to, nonce string) {
	t.Helper()
	r, ok := sip.ParseResponse([]byte("SIP/2.0 401 x\r\nVia: a\r\nFrom: <sip:" + account + "@pbx>;tag=a\r\nCall-ID: i\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"asterisk\",nonce=\"" + nonce + "\"\r\n\r\n"))
	if !ok {
		t.Fatal("no response")
	}
	phone := netip.AddrPortFrom(netip.MustParseAddr(to), 5060)
	asks, ok := sip.ParseRequest([]byte("REGISTER sip:pbx SIP/2.0\r\nFrom: <sip:" + account + "@pbx>;tag=a\r\nCall-ID: i\r\nCSeq: 1 REGISTER\r\n\r\n"))
	if !ok {
		t.Fatal("no request")
	}
	s.Received(at, phone, &asks)
	s.Sent(at, phone, &r)
}

// pjsip is a nonce that PJSIP made at that time.
func pjsip(at time.Time, tail string) string { return fmt.Sprintf("%d/%s", at.Unix(), tail) }

// phone is an account's phone.
type phone struct {
	account, at, method string
	n                   int
}

// signsIn has a phone answer a challenge.
func (s *site) signsIn(t *testing.T, at time.Time, p phone, nonce string) {
	t.Helper()
	s.issued(t, at, p.account, p.at, nonce)
	s.wire(t, at, p.n, exchange{p.method, p.account, nonce, p.at, "", 200, ""})
	if p.account == "1002" {
		s.hear(t, at, success(p.account, p.at))
	}
}

// oldNonce has somebody with the right password answer a nonce that is no longer good.
func (s *site) oldNonce(t *testing.T, at time.Time, p phone, nonce string) {
	t.Helper()
	s.wire(t, at, 1000+p.n, exchange{p.method, p.account, nonce, p.at, "", 401, stale})
}

// The password is right and the nonce is not: it is the extension's own phone that has
// moved or slept, or somebody who guesses. Nothing is cut in doubt.
func TestOldNonces(t *testing.T) {
	const none = ""
	register := func(account, at string) phone { return phone{account, at, "REGISTER", 0} }
	hour := begun.Add(time.Hour)
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		want string
	}{
		"from Wi-Fi to mobile, the nonce still cached": {func(t *testing.T, s *site) {
			s.signsIn(t, begun.Add(time.Minute), register("1002", wifi), pjsip(begun.Add(time.Minute), "a"))
			s.oldNonce(t, hour, register("1002", mobile), pjsip(begun.Add(time.Minute), "a"))
			s.signsIn(t, hour, register("1002", mobile), pjsip(hour, "b"))
		}, none},
		"from Wi-Fi to mobile while it registers": {func(t *testing.T, s *site) {
			s.issued(t, hour, "1002", wifi, pjsip(hour, "a"))
			s.oldNonce(t, hour.Add(time.Second), register("1002", mobile), pjsip(hour, "a"))
		}, none},
		"the line was dialled again": {func(t *testing.T, s *site) {
			for n, method := range []string{"REGISTER", "INVITE", "SUBSCRIBE"} {
				at := begun.Add(time.Minute + time.Duration(n)*time.Second)
				s.signsIn(t, at, phone{"1002", wifi, method, n}, pjsip(at, "a"))
			}
			for n, method := range []string{"REGISTER", "INVITE", "SUBSCRIBE"} {
				at := begun.Add(time.Minute + time.Duration(n)*time.Second)
				s.oldNonce(t, hour, phone{"1002", mobile, method, n}, pjsip(at, "a"))
			}
		}, none},
		"a wrong number, and then a walk": {func(t *testing.T, s *site) {
			s.issued(t, begun.Add(time.Minute), "anna", wifi, pjsip(begun.Add(time.Minute), "a"))
			s.wire(t, begun.Add(time.Minute), 0, exchange{"INVITE", "1002", pjsip(begun.Add(time.Minute), "a"), wifi, "", 404, ""})
			s.oldNonce(t, hour, phone{"1002", mobile, "INVITE", 1}, pjsip(begun.Add(time.Minute), "a"))
		}, none},
		"a name in another form": {func(t *testing.T, s *site) {
			s.issued(t, begun.Add(time.Minute), "%41nn%61", wifi, pjsip(begun.Add(time.Minute), "a"))
			s.oldNonce(t, hour, register("ANNA", mobile), pjsip(begun.Add(time.Minute), "a"))
		}, none},
		"a right password and a wrong number at a new place": {func(t *testing.T, s *site) {
			s.issued(t, hour, "1002", mobile, pjsip(hour, "a"))
			s.wire(t, hour, 1, exchange{"INVITE", "1002", pjsip(hour, "a"), mobile, "", 404, ""})
		}, none},
		"two phones share the account, one of them moves": {func(t *testing.T, s *site) {
			s.signsIn(t, begun.Add(time.Minute), register("1002", wifi), pjsip(begun.Add(time.Minute), "a"))
			for n := range 50 {
				at := begun.Add(time.Minute * time.Duration(2+n))
				s.signsIn(t, at, phone{"1002", "192.0.2.150", "REGISTER", n}, pjsip(at, "b"))
			}
			s.oldNonce(t, hour, register("1002", mobile), pjsip(begun.Add(time.Minute), "a"))
		}, none},
		"the answer comes late, from a phone that calls itself something else": {func(t *testing.T, s *site) {
			s.issued(t, hour, "reception", mobile, pjsip(hour, "a"))
			s.oldNonce(t, hour.Add(time.Minute), register("1002", mobile), pjsip(hour, "a"))
		}, none},
		"a phone at home, whatever it answers": {func(t *testing.T, s *site) {
			s.signsIn(t, begun.Add(time.Minute), register("1002", wifi), pjsip(begun.Add(time.Minute), "a"))
			s.oldNonce(t, hour, register("1002", wifi), pjsip(hour, "x"))
		}, none},
		"a nonce from before the start": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, register("1002", mobile), pjsip(begun.Add(-time.Minute), "a"))
		}, none},
		"a nonce from when packets were missed": {func(t *testing.T, s *site) {
			s.Intake.Unseen(hour)
			s.oldNonce(t, hour.Add(time.Hour), register("1002", mobile), pjsip(hour, "a"))
		}, none},
		"one from before that": {func(t *testing.T, s *site) {
			s.Intake.Unseen(hour)
			s.oldNonce(t, hour.Add(time.Hour), register("1002", mobile), pjsip(hour.Add(-time.Minute), "a"))
		}, none},
		"one from when a challenge was cut off": {func(t *testing.T, s *site) {
			r, _ := sip.ParseResponse([]byte("SIP/2.0 401 x\r\nFrom: <sip:1002@pbx>\r\nCall-ID: i\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"aste"))
			s.Sent(hour, netip.MustParseAddrPort(wifi+":5060"), &r)
			s.oldNonce(t, hour.Add(time.Hour), register("1002", mobile), pjsip(hour, "a"))
		}, none},
		"a nonce that made room in a flood": {func(t *testing.T, s *site) {
			at := begun.Add(time.Minute)
			s.signsIn(t, at, register("1002", wifi), pjsip(at, "a"))
			for n := range 400_000 {
				s.issued(t, hour, "1001", "192.0.2.200", pjsip(hour, fmt.Sprint(n)))
			}
			s.oldNonce(t, hour.Add(time.Minute), register("1002", mobile), pjsip(at, "a"))
		}, none},
		"a nonce from the future, after the clock was set back": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, register("1002", mobile), pjsip(hour.Add(time.Hour), "a"))
		}, none},
		"a phone that usually comes over TLS": {func(t *testing.T, s *site) {
			s.hear(t, hour, over("TLS", success("1002", wifi)))
			s.oldNonce(t, hour.Add(time.Hour), register("1002", mobile), pjsip(hour, "a"))
		}, none},
		"and whose last challenge over TLS it did not answer": {func(t *testing.T, s *site) {
			s.hear(t, hour, over("TLS", success("1002", wifi)))
			s.hear(t, hour.Add(time.Minute), over("TLS", security("ChallengeSent", "1002", "c", wifi, "Challenge: \r\n")))
			s.oldNonce(t, hour.Add(time.Hour), register("1002", mobile), pjsip(hour.Add(time.Minute), "a"))
		}, none},
		"chan_sip: an unknown nonce": {func(t *testing.T, s *site) {
			s.oldNonce(t, begun.Add(71*time.Hour), register("2001", mobile), "4c79d0eb")
		}, none},
		"chan_sip: a phone that moves": {func(t *testing.T, s *site) {
			s.signsIn(t, begun.Add(time.Minute), register("2001", wifi), "4c79d0eb")
			s.oldNonce(t, begun.Add(100*time.Hour), register("2001", mobile), "4c79d0eb")
		}, none},
		"chan_sip: the right password, and no such number": {func(t *testing.T, s *site) {
			s.issued(t, begun.Add(100*time.Hour), "2001", mobile, "4c79d0eb")
			s.wire(t, begun.Add(100*time.Hour), 1, exchange{"SUBSCRIBE", "2001", "4c79d0eb", mobile, "", 404, ""})
		}, none},

		"an invented nonce": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, register("1002", thief), pjsip(hour.Add(-time.Minute), "x"))
		}, "break-in 1002"},
		"by INVITE": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, phone{"1002", thief, "INVITE", 1}, pjsip(hour, "x"))
		}, "break-in 1002"},
		"by SUBSCRIBE": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, phone{"1002", thief, "SUBSCRIBE", 1}, pjsip(hour, "x"))
		}, "break-in 1002"},
		"under another form of the name": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, register("%31002", thief), pjsip(hour, "x"))
		}, "break-in 1002"},
		"answers sent elsewhere": {func(t *testing.T, s *site) {
			s.wire(t, hour, 1, exchange{"REGISTER", "1002", pjsip(hour, "x"), "198.51.100.77", thief, 401, stale})
		}, "break-in 1002"},
		"a nonce of somebody else's": {func(t *testing.T, s *site) {
			s.issued(t, hour, "anna", "192.0.2.200", pjsip(hour, "a"))
			s.signsIn(t, hour, register("1001", wifi), pjsip(hour, "b"))
			s.oldNonce(t, hour, register("1002", mobile), pjsip(hour, "b"))
		}, "break-in 1002"},
		"after the flood": {func(t *testing.T, s *site) {
			for n := range 400_000 {
				s.issued(t, hour, "1001", "192.0.2.200", pjsip(hour, fmt.Sprint(n)))
			}
			s.oldNonce(t, hour.Add(2*time.Minute), register("1002", thief), pjsip(hour.Add(time.Minute), "x"))
		}, "break-in 1002"},
		"chan_sip: an invented nonce, days after the start": {func(t *testing.T, s *site) {
			s.oldNonce(t, begun.Add(73*time.Hour), register("2001", thief), "4c79d0eb")
		}, "break-in 2001"},
		"several at once are one incident": {func(t *testing.T, s *site) {
			for n := range 5 {
				s.oldNonce(t, hour.Add(time.Duration(n)*time.Second), phone{"1002", thief, "REGISTER", n}, pjsip(hour, "x"))
			}
		}, "break-in 1002"},
		"and so is the login after it": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, register("1002", thief), pjsip(hour, "x"))
			s.signsIn(t, hour.Add(time.Second), register("1002", thief), pjsip(hour, "b"))
		}, "break-in 1002"},
		"but not one from elsewhere, days later": {func(t *testing.T, s *site) {
			s.oldNonce(t, hour, register("1002", thief), pjsip(hour, "x"))
			s.signsIn(t, hour.Add(10*24*time.Hour), register("1002", mobile), pjsip(hour, "b"))
		}, "break-in 1002, break-in 1002"},
		"a guesser who answers the challenge": {func(t *testing.T, s *site) {
			for n := range 4 {
				s.issued(t, hour, "1002", thief, pjsip(hour, "a"))
				s.Challenged(hour, netip.MustParseAddr(thief), []netip.Addr{netip.MustParseAddr(thief)}, []byte(pjsip(hour, "a")))
				s.wire(t, hour, n, exchange{"REGISTER", "1002", pjsip(hour, "a"), thief, "", 401, digest})
			}
			s.signsIn(t, hour, phone{"1002", thief, "REGISTER", 9}, pjsip(hour, "a"))
		}, "break-in 1002"},
		"a guesser who answers an old one": {func(t *testing.T, s *site) {
			for n := range 4 {
				s.wire(t, hour, n, exchange{"REGISTER", "1002", pjsip(begun.Add(-time.Hour), "x"), thief, "", 401, digest})
			}
			s.oldNonce(t, hour, register("1002", thief), pjsip(begun.Add(-time.Hour), "x"))
		}, "new place 1002"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdicts := func() string {
				s := wired(t, 100)
				s.issued(t, begun, "nobody", "192.0.2.1", pjsip(begun, "first"))
				tc.do(t, s)
				return s.verdicts()
			}
			got := verdicts()
			// One time in 64 two accounts count as one (intake.Nonces): in doubt nothing is done.
			for try := 0; name == "a nonce of somebody else's" && got != tc.want && try < 5; try++ {
				got = verdicts()
			}
			if got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// What the wire reveals has the account contained, though the address may be spoofed:
// its ban is short.
func TestRevealedPasswordIsContained(t *testing.T) {
	s := wired(t, 100)
	s.issued(t, begun, "nobody", "192.0.2.1", pjsip(begun, "first"))
	s.oldNonce(t, begun.Add(time.Hour), phone{"1002", thief, "REGISTER", 1}, pjsip(begun.Add(time.Hour), "x"))
	if len(s.incidents) != 1 {
		t.Fatalf("incidents %q", s.verdicts())
	}
	i := s.incidents[0]
	for _, step := range i.Steps {
		if step.State != incident.Intended {
			t.Errorf("step %s is %s: %s", step.Step, step.State, step.Detail)
		}
	}
	if got := s.bans(begun.Add(time.Hour)); got != thief+"/32 sip #0" {
		t.Errorf("bans %s", got)
	}
	if got := s.thieves["1002"]; got != "["+thief+"/32]" {
		t.Errorf("kept %s", got)
	}
	if got := strings.Join(s.StolenPasswords(begun.Add(time.Hour)), ""); got != "1002: password known to others at 192.0.2.66, since 2026-11-22 13:00 UTC" {
		t.Errorf("stolen %q", got)
	}
	s.PasswordChanged(begun.Add(time.Hour), "1002")
	if got := s.thieves["1002"]; got != "[]" || len(s.StolenPasswords(begun.Add(time.Hour))) != 0 {
		t.Errorf("kept %s after the change", got)
	}
}
