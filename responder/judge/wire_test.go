package judge_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// exchange is one request with credentials and Asterisk's response, as they cross
// the wire.
type exchange struct {
	method, account, nonce string
	from, to               string // where the request says it is from, and who gets the response
	status                 int
	header                 string // of the response
}

// wire plays an exchange; n tells its dialog from others.
func (s *site) wire(t *testing.T, at time.Time, n int, x exchange) {
	t.Helper()
	if x.to == "" {
		x.to = x.from
	}
	id := fmt.Sprintf("Call-ID: %s-%d\r\nCSeq: 2 %s\r\n", x.from, n, x.method)
	request, ok := sip.ParseRequest([]byte(x.method + " sip:pbx SIP/2.0\r\n" + id + "Authorization: Digest username=\"" + x.account + "\",nonce=\"" + x.nonce + "\"\r\n\r\n"))
	if !ok {
		t.Fatal("no request")
	}
	response, ok := sip.ParseResponse([]byte(fmt.Sprintf("SIP/2.0 %d x\r\nVia: a\r\n%s%s\r\n", x.status, id, x.header)))
	if !ok {
		t.Fatal("no response")
	}
	for range 2 { // it is sent again
		s.Received(at, netip.AddrPortFrom(netip.MustParseAddr(x.from), 5060), &request)
		s.Sent(at, netip.AddrPortFrom(netip.MustParseAddr(x.to), 5060), &response)
	}
}

// wired is a site whose wire is seen: 1001 and 1002 are PJSIP's, 2001 chan_sip's.
func wired(t *testing.T, threshold int) *site {
	t.Helper()
	p := guessing(threshold)
	p.Wire, p.Throttles = true, true
	s := newSite(t, p)
	s.Calls.List([]calls.Account{{Name: "1001", Login: true, Sure: true}, {Name: "1002", Login: true, Sure: true}, {Name: "2001", Login: true}, {Name: "anna", Login: true}, {Name: "carrier"}})
	return s
}

const (
	digest = "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"1/b\"\r\n"
	stale  = "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"1/b\",stale=true\r\n"
)

// A refusal is a guess of the address that it answers, whether or not Asterisk raises
// an event, and whoever receives it.
func TestRefusalsCount(t *testing.T) {
	for name, tc := range map[string]struct {
		exchange
		want string
	}{
		"PJSIP":                              {exchange{"REGISTER", "1002", "1/x", thief, "", 401, digest}, "192.0.2.66/32 sip #0"},
		"a proxy's":                          {exchange{"INVITE", "1002", "1/x", thief, "", 407, strings.Replace(digest, "WWW", "Proxy", 1)}, "192.0.2.66/32 sip #0"},
		"chan_sip, SUBSCRIBE":                {exchange{"SUBSCRIBE", "2001", "x", thief, "", 403, ""}, "192.0.2.66/32 sip #0"},
		"chan_sip, the same dialog":          {exchange{"REGISTER", "2001", "x", thief, "", 401, "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"4c79d0eb\"\r\n"}, "192.0.2.66/32 sip #0"},
		"answers sent elsewhere":             {exchange{"REGISTER", "1002", "1/x", "198.51.100.77", thief, 401, digest}, "198.51.100.77/32 sip #0"},
		"a name in another form":             {exchange{"REGISTER", "%31002", "1/x", thief, "", 401, digest}, "192.0.2.66/32 sip #0"},
		"a name in capitals":                 {exchange{"REGISTER", "Anna", "1/x", thief, "", 401, digest}, "192.0.2.66/32 sip #0"},
		"PJSIP's refusal of a contact":       {exchange{"REGISTER", "1002", "1/x", thief, "", 403, ""}, ""},
		"a name that Asterisk does not know": {exchange{"REGISTER", "nobody", "1/x", thief, "", 401, digest}, ""},
		"a carrier, which needs no password": {exchange{"INVITE", "carrier", "1/x", thief, "", 401, digest}, ""},
		"an old nonce":                       {exchange{"REGISTER", "1002", "1/x", thief, "", 401, stale}, ""},
		"a number that does not exist":       {exchange{"INVITE", "1002", "1/x", thief, "", 404, ""}, ""},
		"success":                            {exchange{"REGISTER", "1002", "1/x", thief, "", 200, ""}, ""},
		"a call that is turned down":         {exchange{"INVITE", "1002", "1/x", thief, "", 486, ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := wired(t, 3)
			for n := range 3 {
				s.wire(t, noon.Add(time.Duration(n)*time.Second), n, tc.exchange)
			}
			if got := s.bans(noon.Add(time.Minute)); got != tc.want {
				t.Errorf("bans %q, want %q", got, tc.want)
			}
		})
	}
}

// The event of a guess and what the wire shows of it count once, whichever comes
// first.
func TestWireAndEventsCountOnce(t *testing.T) {
	for name, first := range map[string]bool{"the wire first": true, "the event first": false} {
		s := wired(t, 6)
		for n := range 5 {
			at := noon.Add(time.Duration(n) * time.Second)
			if first {
				s.wire(t, at, n, exchange{"REGISTER", "1002", "1/a", thief, "", 401, digest})
			}
			s.hear(t, at, failure("1002", thief, n))
			if !first {
				s.wire(t, at, n, exchange{"REGISTER", "1002", "1/a", thief, "", 401, digest})
			}
		}
		if got := s.bans(noon.Add(time.Minute)); got != "" {
			t.Errorf("%s: five guesses are six: %s", name, got)
		}
		s.wire(t, noon.Add(6*time.Second), 6, exchange{"REGISTER", "1002", "1/a", thief, "", 401, digest})
		if got := s.bans(noon.Add(time.Minute)); got == "" {
			t.Errorf("%s: six guesses are not six", name)
		}
	}
}

// A phone with an old password sends its request again when the response is lost: that
// is one guess. Another password in what looks like the same transaction is another.
func TestRequestsSentAgainCountOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		digests []string
		want    string
	}{
		"sent again":        {[]string{"a", "a", "a", "a"}, ""},
		"two requests":      {[]string{"a", "a", "b", "b"}, ""},
		"another each time": {[]string{"a", "b", "c"}, "192.0.2.66/32 sip #0"},
		"behind the first": {[]string{
			"a\"\r\nAuthorization: Digest response=\"a", "a\"\r\nAuthorization: Digest response=\"b", "a\"\r\nAuthorization: Digest response=\"c",
		}, "192.0.2.66/32 sip #0"},
	} {
		s := wired(t, 3)
		to := netip.MustParseAddrPort(thief + ":5060")
		for n, digest := range tc.digests {
			request, _ := sip.ParseRequest([]byte("REGISTER sip:pbx SIP/2.0\r\nCall-ID: a\r\nCSeq: 2 REGISTER\r\nAuthorization: Digest username=\"1002\",response=\"" + digest + "\"\r\n\r\n"))
			response, _ := sip.ParseResponse([]byte("SIP/2.0 401 x\r\nCall-ID: a\r\nCSeq: 2 REGISTER\r\n\r\n"))
			at := noon.Add(time.Duration(n) * time.Second)
			s.Received(at, to, &request)
			s.Sent(at, to, &response)
		}
		if got := s.bans(noon.Add(time.Minute)); got != tc.want {
			t.Errorf("%s: bans %q, want %q", name, got, tc.want)
		}
	}
}

// A guess that answers a nonce which went to its address is proven.
func TestWireProves(t *testing.T) {
	const nonce = "1700000000/abc"
	for name, tc := range map[string]struct {
		to, of string // to whom the nonce went, and whose request it answered
		want   string
	}{
		"to it":                  {thief, thief, "192.0.2.66/32 all #1"},
		"to another":             {office, office, "192.0.2.66/32 sip #0"},
		"to it, for another":     {thief, office, "192.0.2.66/32 sip #0"},
		"to another, for it":     {office, thief, "192.0.2.66/32 sip #0"},
		"to nobody that is seen": {"", "", "192.0.2.66/32 sip #0"},
	} {
		s := wired(t, 3)
		if tc.to != "" {
			s.Challenged(noon, netip.MustParseAddr(tc.to), []netip.Addr{netip.MustParseAddr(tc.of)}, []byte(nonce))
		}
		for n := range 3 {
			s.wire(t, noon.Add(time.Duration(n)*time.Second), n, exchange{"REGISTER", "1002", nonce, thief, "", 401, digest})
		}
		if got := s.bans(noon.Add(time.Minute)); got != tc.want {
			t.Errorf("the nonce went %s: %s, want %s", name, got, tc.want)
		}
	}
}

// stale=true and a 404 show that the password is right: after failures, at an
// address where the account is not known, the address is on probation, even if
// nobody ever signs in: in doubt whether the nonce was made up, the owner may have moved.
func TestRevealedPasswords(t *testing.T) {
	for name, tc := range map[string]struct {
		before   func(s *site)
		guesses  int
		exchange exchange
		want     string
	}{
		"a nonce that may be old": {nil, 4, exchange{"REGISTER", "1002", "1/x", thief, "", 401, stale}, "new place 1002"},
		"chan_sip, SUBSCRIBE":     {nil, 4, exchange{"SUBSCRIBE", "2001", "x", thief, "", 404, ""}, "new place 2001"},
		"too few guesses before":  {nil, 3, exchange{"REGISTER", "1002", "1/x", thief, "", 401, stale}, ""},
		"answers sent elsewhere":  {nil, 4, exchange{"REGISTER", "1002", "1/x", "198.51.100.77", thief, 401, stale}, "new place 1002"},
		"the owner's own phone": {
			func(s *site) { s.Places.Know("1002", netip.MustParseAddr(office), noon) }, 4,
			exchange{"REGISTER", "1002", "1/old", office, "", 401, stale},
			"",
		},
	} {
		s := wired(t, 100)
		if tc.before != nil {
			tc.before(s)
		}
		for n := range tc.guesses {
			guess := exchange{"REGISTER", tc.exchange.account, "1/x", thief, "", 401, digest}
			s.wire(t, noon.Add(time.Duration(n)*time.Second), n, guess)
		}
		s.wire(t, noon.Add(10*time.Second), 10, tc.exchange)
		s.wire(t, noon.Add(11*time.Second), 11, tc.exchange)
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: incidents %q, want %q", name, got, tc.want)
		}
	}
}

// packets plays messages as they cross the wire, with line feeds alone: those that
// begin with SIP/2.0 leave, the others arrive.
func (s *site) packets(at time.Time, peer string, messages ...string) {
	address := netip.MustParseAddrPort(peer + ":5060")
	for _, m := range messages {
		text := []byte(strings.ReplaceAll(m, "\n", "\r\n"))
		if r, ok := sip.ParseResponse(text); ok {
			s.Sent(at, address, &r)
		} else if r, ok := sip.ParseRequest(text); ok {
			s.Received(at, address, &r)
		}
	}
}

// A sender may write requests so that only Asterisk reads them, or may hide their
// credentials. Refusals that answer nothing else count all the same.
func TestHiddenGuesses(t *testing.T) {
	const (
		unread  = "REGISTER sip:pbx SIP/2.0\nCall\r-ID: a\nCSeq: %d REGISTER\n\n"
		plain   = "REGISTER sip:pbx SIP/2.0\nFrom: <sip:1002@pbx>\nCall-ID: a\nCSeq: %d REGISTER\n\n"
		amp     = "REGISTER sip:pbx SIP/2.0\nCall-ID: a\nMax-Forwards: 70&Authorization: Digest username=\"1002\"\nCSeq: %d REGISTER\nX: %[1]d\n\n"
		refusal = "SIP/2.0 401 x\nCall-ID: a\nFrom: <sip:1002@pbx>;tag=a\nTo: <sip:1002@pbx>\nCSeq: %d REGISTER\nWWW-Authenticate: Digest nonce=\"1/%[1]d\"\n\n"
		accept  = "SIP/2.0 200 x\nCall-ID: a\nCSeq: %d REGISTER\n\n"
		same    = "SIP/2.0 401 x\nCall-ID: a\nCSeq: 1 REGISTER\n\n"
		again   = "SIP/2.0 401 x\nCall-ID: a\nCSeq: 1 INVITE\n\n"
		other   = "SIP/2.0 401 x\nCall-ID: a\nCSeq: 1 REGISTER\nX: %d\n\n"
		ack     = "ACK sip:pbx SIP/2.0\nCall-ID: a\nCSeq: %d ACK\n\n"
		toACK   = "SIP/2.0 403 x\nCall-ID: a\nCSeq: %d ACK\n\n"
	)
	const banned = "192.0.2.66/32 sip #0"
	for name, tc := range map[string]struct {
		packets []string // each time; %d is the number of the time
		want    string
	}{
		"requests that are not read":      {[]string{unread, refusal}, banned},
		"credentials that are not read":   {[]string{amp, refusal}, banned},
		"numbers that are not read":       {[]string{refusal[:strings.Index(refusal, "CSeq")] + "CSeq: +%d REGISTER\n\n"}, banned},
		"no request at all":               {[]string{refusal}, banned},
		"refusals that differ":            {[]string{other}, banned},
		"headers written into a response": {[]string{plain, strings.Replace(refusal, "From", "From: <sip:x@pbx>\nFrom", 1)}, banned},
		"a request that nobody answers":   {[]string{ack, toACK}, banned},
		"one refusal to an INVITE":        {[]string{again}, ""},
		"too many":                        {[]string{again, again, again, again, again}, banned},
		"the same refusal":                {[]string{same}, banned},
		"challenges":                      {[]string{plain, refusal}, ""},
		"requests sent again":             {[]string{plain, plain, refusal, refusal}, ""},
		"answers that are no refusals":    {[]string{unread, accept}, ""},
		"challenges of two in a dialogue": {[]string{plain, strings.Replace(plain, "From", "f", 1), refusal, other}, ""},
	} {
		s := wired(t, 3)
		for n := range 3 {
			var packets []string
			for _, p := range tc.packets {
				if strings.Contains(p, "%") {
					p = fmt.Sprintf(p, n+1)
				}
				packets = append(packets, p)
			}
			s.packets(noon.Add(time.Duration(n+2)*time.Second), thief, packets...)
		}
		if got := s.bans(noon.Add(time.Minute)); got != tc.want {
			t.Errorf("%s: bans %q, want %q", name, got, tc.want)
		}
	}
}

// A phone uses the challenge of its last call for the next one, which chan_sip answers
// with a new challenge and no look at the password. That is no guess where the
// extension is known; what it answers in a dialog that it has challenged is one.
func TestPhoneDoesNotWaitForTheChallenge(t *testing.T) {
	for name, tc := range map[string]struct {
		from   string
		known  bool
		dialog func(n int) string
		want   uint64
	}{
		"a call, and another":   {office, true, func(n int) string { return fmt.Sprint(n) }, 0},
		"guesses in one dialog": {office, true, func(int) string { return "a" }, 4},
		"where it is not known": {thief, false, func(n int) string { return fmt.Sprint(n) }, 5},
	} {
		s := wired(t, 100)
		if tc.known {
			s.hear(t, noon, of("SIP", success("2001", tc.from)))
		}
		for n := range 5 {
			id := fmt.Sprintf("From: <sip:2001@pbx>;tag=a\nTo: <sip:1@pbx>\nCall-ID: %s\nCSeq: %d INVITE\n", tc.dialog(n), n)
			s.packets(noon.Add(time.Duration(n)*time.Second), tc.from,
				fmt.Sprintf("INVITE sip:pbx SIP/2.0\nVia: a\n%sAuthorization: Digest username=\"2001\",nonce=\"x%d\",response=\"%[2]d\"\n\n", id, n),
				"SIP/2.0 401 x\nVia: a\n"+id+"WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"4c79d0eb\"\n\n")
		}
		if got := s.Counters().Wire; got != tc.want {
			t.Errorf("%s: %d failures, want %d", name, got, tc.want)
		}
	}
}

// What phones do on a busy day counts for nothing, but for a wrong password.
func TestPhonesAreNoGuessers(t *testing.T) {
	const (
		lost   = 0      // the answer, so that the request is sent again
		again  = -1     // the last answer
		trying = 100    // a provisional response, before the next
		policy = 403001 // 403 of chan_sip, because the account may not subscribe
	)
	for name, tc := range map[string]struct {
		account, method string
		statuses        []int // of the requests of a dialog, the first without credentials
		stale           bool  // the nonce is an old one
		want            int   // failures, each time
	}{
		"registers":                        {"1001", "REGISTER", []int{401, 200}, false, 0},
		"registers on chan_sip":            {"2001", "REGISTER", []int{401, 200}, false, 0},
		"over a lossy line":                {"2001", "REGISTER", []int{lost, lost, 401, lost, 200}, false, 0},
		"again with an old nonce":          {"1001", "REGISTER", []int{401, 401, 200}, true, 0},
		"calls":                            {"1001", "INVITE", []int{401, 200}, false, 0},
		"calls somebody who is busy":       {"2001", "INVITE", []int{401, 486}, false, 0},
		"calls somebody who declines":      {"2001", "INVITE", []int{401, 603}, false, 0},
		"is declined everywhere":           {"1001", "INVITE", []int{407, 600}, false, 0},
		"calls a number there is not":      {"2001", "INVITE", []int{401, 404}, false, 0},
		"calls it on PJSIP":                {"1001", "INVITE", []int{401, 404}, false, 0},
		"hangs up before":                  {"1001", "INVITE", []int{401, 487}, false, 0},
		"subscribes to a lamp":             {"2001", "SUBSCRIBE", []int{401, 200}, false, 0},
		"to one there is not":              {"2001", "SUBSCRIBE", []int{401, 404}, false, 0},
		"to one it may not see":            {"1001", "SUBSCRIBE", []int{401, 403}, false, 0},
		"to an event that is not known":    {"1001", "SUBSCRIBE", []int{401, 489}, false, 0},
		"has too many contacts":            {"1001", "REGISTER", []int{401, 403}, false, 0},
		"a carrier":                        {"carrier", "INVITE", []int{403}, false, 0},
		"calls a number that is barred":    {"2001", "INVITE", []int{401, trying, 403}, false, 0},
		"calls one that is barred, PJSIP":  {"1001", "INVITE", []int{401, trying, 403}, false, 0},
		"is not to subscribe":              {"2001", "SUBSCRIBE", []int{401, policy}, false, 0},
		"calls with a wrong password":      {"2001", "INVITE", []int{401, 403}, false, 1},
		"asks what there is":               {"1001", "OPTIONS", []int{401, 200}, false, 0},
		"has a wrong password":             {"1001", "REGISTER", []int{401, 401}, false, 1},
		"has one on chan_sip":              {"2001", "REGISTER", []int{401, 403}, false, 1},
		"has one, over a lossy line":       {"2001", "REGISTER", []int{401, lost, lost, 403}, false, 1},
		"has one, and every answer is two": {"1001", "INVITE", []int{401, again, 401, again}, false, 1},
	} {
		s := wired(t, 100)
		for n := range 20 {
			at := noon.Add(time.Duration(n+2) * time.Minute)
			number, credentials, answer := 1, "", ""
			for _, status := range tc.statuses {
				id := fmt.Sprintf("From: <sip:%s@pbx>;tag=a\nTo: <sip:%[1]s@pbx>\nCall-ID: %d\nCSeq: %d %s\n", tc.account, n, number, tc.method)
				if status == again {
					s.packets(at, office, answer)
					continue
				}
				s.packets(at, office, tc.method+" sip:pbx SIP/2.0\nVia: a\n"+id+credentials+"\n")
				if status == lost {
					continue
				}
				answer = fmt.Sprintf("SIP/2.0 %d x\nVia: a\n%s\n", status, id)
				switch status {
				case trying:
					s.packets(at, office, answer)
					continue
				case policy:
					answer = strings.Replace(answer, fmt.Sprint(policy, " x"), "403 Forbidden (policy)", 1)
				}
				if status == 401 || status == 407 {
					answer = strings.TrimSuffix(answer, "\n") + fmt.Sprintf("WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"1/%d\",stale=%t\n\n", n, tc.stale && credentials != "")
				}
				s.packets(at, office, answer)
				number++
				credentials = fmt.Sprintf("Authorization: Digest username=\"%s\",nonce=\"1/%d\",response=\"%d\"\n", tc.account, n, number)
			}
		}
		if got := s.Counters().Wire; got != uint64(20*tc.want) {
			t.Errorf("%s: %d failures, want %d", name, got, 20*tc.want)
		}
		if got := s.bans(noon.Add(time.Hour)); got != "" {
			t.Errorf("%s: bans %q", name, got)
		}
	}
}

// Right after a start, or when packets were missed, a refusal may answer a request
// that was not seen.
func TestRefusalsOfUnseenRequests(t *testing.T) {
	const refusal = "SIP/2.0 401 x\nCall-ID: a\nCSeq: 1 REGISTER\n\n"
	s := wired(t, 1)
	s.packets(noon, office, refusal)
	s.Intake.Unseen(noon.Add(time.Minute))
	s.packets(noon.Add(time.Minute), office, refusal)
	if got := s.verdicts(); got != "" {
		t.Errorf("incidents %q", got)
	}
	s.packets(noon.Add(2*time.Minute), office, refusal)
	if got := s.verdicts(); got == "" {
		t.Error("no incident later")
	}
}

// chan_sip accepts a REGISTER that ends a registration without a password, if it looks
// like one that is sent again, and reports a success.
func TestSuccessWithoutPassword(t *testing.T) {
	register := func(cseq int, more string) string {
		return fmt.Sprintf("REGISTER sip:pbx SIP/2.0\nFrom: <sip:2001@pbx>\nTo: <sip:2001@pbx>\nCall-ID: a\nCSeq: %d REGISTER\n%s\n", cseq, more)
	}
	answer := func(status, cseq int) string {
		return fmt.Sprintf("SIP/2.0 %d x\nFrom: <sip:2001@pbx>\nTo: <sip:2001@pbx>\nCall-ID: a\nCSeq: %d REGISTER\nExpires: 0\n\n", status, cseq)
	}
	lasting := func(answer string) string { return strings.Replace(answer, "Expires: 0", "Expires: 60", 1) }
	const digest = "Authorization: Digest username=\"2001\",response=\"%d\"\n"
	for name, tc := range map[string]struct {
		packets []string
		want    string
	}{
		"a login":                         {[]string{register(1, ""), answer(401, 1), register(2, digest), lasting(answer(200, 2))}, "new place 2001"},
		"a login with the same CSeq":      {[]string{register(1, ""), answer(401, 1), register(1, digest), lasting(answer(200, 1))}, "new place 2001"},
		"a login, sent twice":             {[]string{register(1, ""), answer(401, 1), register(2, digest), register(2, digest+"X: y\n"), lasting(answer(200, 2))}, "new place 2001"},
		"a login that is not read":        {[]string{register(1, ""), answer(401, 1), lasting(answer(200, 2))}, "new place 2001"},
		"another method in CSeq":          {[]string{strings.Replace(register(1, ""), "1 REG", "1 A REG", 1), register(1, digest), answer(200, 1)}, ""},
		"no credentials":                  {[]string{register(1, ""), answer(401, 1), register(1, "Expires: 0\n"), answer(200, 1)}, ""},
		"both at once":                    {[]string{register(1, ""), register(1, "Expires: 0\n"), answer(401, 1), answer(200, 1)}, ""},
		"credentials of any kind":         {[]string{register(1, ""), answer(401, 1), register(1, digest), answer(200, 1)}, ""},
		"with a request that is not read": {[]string{answer(401, 1), register(1, digest), answer(200, 1)}, ""},
	} {
		for _, eventFirst := range []bool{false, true} { // the event may be read before the response
			s := wired(t, 100)
			for n := range 4 {
				s.wire(t, noon.Add(time.Duration(n)*time.Second), n, exchange{"SUBSCRIBE", "2001", "x", "198.51.100.9", "", 403, ""})
			}
			at := noon.Add(10 * time.Second)
			s.Answered(at, netip.MustParseAddr(thief))
			event := strings.Replace(success("2001", thief), "Service: PJSIP", "Service: SIP", 1)
			before := tc.packets
			if eventFirst {
				before = tc.packets[:len(tc.packets)-1]
			}
			s.packets(at, thief, before...)
			s.hear(t, at, event)
			s.packets(at, thief, tc.packets[len(before):]...)
			s.Watch(at.Add(time.Second))
			if got := s.verdicts(); got != tc.want {
				t.Errorf("%s, event first %t: incidents %q, want %q", name, eventFirst, got, tc.want)
			}
		}
	}
}

// A success that the wire does not explain is believed after a moment.
func TestSuccessThatIsNotExplained(t *testing.T) {
	s := wired(t, 100)
	for n := range 4 {
		s.wire(t, noon.Add(time.Duration(n)*time.Second), n, exchange{"SUBSCRIBE", "2001", "x", "198.51.100.9", "", 403, ""})
	}
	at := noon.Add(10 * time.Second)
	s.Answered(at, netip.MustParseAddr(thief))
	s.hear(t, at, strings.Replace(success("2001", thief), "Service: PJSIP", "Service: SIP", 1))
	if got := s.verdicts(); got != "" {
		t.Errorf("incidents %q at once", got)
	}
	s.rings(at.Add(time.Millisecond), "SIP/2001-00000001", "0037167801234")
	s.Watch(at.Add(time.Second))
	if got := s.effects(); !strings.Contains(got, "end SIP/2001-00000001") {
		t.Errorf("a call abroad that began meanwhile goes on: %s", got)
	}
	if got := s.verdicts(); got != "new place 2001" {
		t.Errorf("incidents %q after a second", got)
	}
}

// Guesses whose refusals go to somebody who is banned count, though nobody sees a
// response; a success that names the banned one is none.
func TestAnswersToTheBanned(t *testing.T) {
	const banned = "203.0.113.90"
	guesses := func(s *site, answerTo string) string {
		for n := range 3 {
			s.packets(noon.Add(time.Duration(n+20)*time.Second), thief, fmt.Sprintf("REGISTER sip:pbx SIP/2.0\nVia: a;maddr=%s\nCall-ID: %d\nCSeq: 2 REGISTER\nAuthorization: Digest username=\"2001\",response=\"%[2]d\"\n\n", answerTo, n))
		}
		return s.bans(noon.Add(time.Minute))
	}
	s := wired(t, 3)
	for n := range 3 {
		s.wire(t, noon.Add(time.Duration(n)*time.Second), n, exchange{"SUBSCRIBE", "2001", "x", banned, "", 403, ""})
	}
	s.Bans.AcknowledgedAll(noon.Add(3 * time.Second))
	if got := guesses(s, "203.0.113.91"); strings.Contains(got, thief) {
		t.Errorf("bans %q, though the answers will be seen", got)
	}
	for _, to := range []string{banned, "240.0.0.1", "0.0.0.1", "[2001:db8::1]", "banned.example"} {
		s.ClearScore(netip.MustParsePrefix(thief + "/32"))
		s.Bans.Remove(netip.MustParsePrefix(thief + "/32"))
		if got := guesses(s, to); !strings.Contains(got, thief) {
			t.Errorf("answers to %s: bans %q", to, got)
		}
	}
	s.wire(t, noon.Add(30*time.Second), 9, exchange{"SUBSCRIBE", "2001", "x", "203.0.113.7", "", 403, ""})
	at := noon.Add(40 * time.Second)
	s.Answered(at, netip.MustParseAddr("203.0.113.7"))
	for range 100 { // more than can wait
		s.hear(t, at, strings.Replace(success("2001", banned), "Service: PJSIP", "Service: SIP", 1))
	}
	s.Watch(at.Add(time.Second))
	if got := s.verdicts(); strings.Contains(got, "break-in") {
		t.Errorf("incidents %q", got)
	}
}

// Guesses that do not wait for their answers count each, even in one transaction.
func TestGuessesInOneTransaction(t *testing.T) {
	s := wired(t, 3)
	var packets []string
	for n := range 3 {
		packets = append(packets, fmt.Sprintf("REGISTER sip:pbx SIP/2.0\nCall-ID: a\nCSeq: 2 REGISTER\nAuthorization: Digest username=\"1002\",response=\"%d\"\n\n", n))
	}
	for n := range 3 {
		packets = append(packets, fmt.Sprintf("SIP/2.0 401 x\nCall-ID: a\nCSeq: 2 REGISTER\nX: %d\n\n", n))
	}
	s.packets(noon, thief, packets...)
	if got := s.bans(noon.Add(time.Minute)); got == "" {
		t.Error("three guesses are not three")
	}
}

// The account is the one whose password Asterisk compares, whatever else the request
// names.
func TestGuessedAccounts(t *testing.T) {
	for name, tc := range map[string]struct{ method, names, want string }{
		"PJSIP":                  {"REGISTER", "From: <sip:1002@pbx>\nTo: <sip:1001@pbx>\nAuthorization: Digest username=\"1001\"", "1002"},
		"PJSIP, a number":        {"INVITE", "From: <sip:0123@pbx>\nTo: <sip:1001@pbx>\nAuthorization: Digest username=\"1002\"", "1002"},
		"chan_sip, REGISTER":     {"REGISTER", "From: <sip:anna@pbx>\nTo: <sip:2001@pbx>\nAuthorization: Digest username=\"2001\"", "2001"},
		"chan_sip, SUBSCRIBE":    {"SUBSCRIBE", "From: <sip:2001@pbx>\nTo: <sip:anna@pbx>\nAuthorization: Digest username=\"2001\"", "2001"},
		"decoys":                 {"REGISTER", "From: \"<sip:anna@pbx>\" <sip:%31002@pbx>\nTo: <sip:x@pbx>\nProxy-Authorization: Digest username=\"x\"\nAuthorization: Digest username=\"1002\"", "1002"},
		"chan_sip, decoys":       {"REGISTER", "From: <sip:x@pbx>\nTo: <sip:%32001@pbx>\nProxy-Authorization: Digest username=\"x\"\nAuthorization: Digest username=\"2001\"", "2001"},
		"one of a database":      {"SUBSCRIBE", "From: <sip:3001@pbx>\nAuthorization: Digest username=\"3001\"", ""},
		"a carrier, no password": {"SUBSCRIBE", "From: <sip:carrier@pbx>\nAuthorization: Digest username=\"carrier\"", "none"},
	} {
		s := wired(t, 1)
		status := "401"
		if tc.method == "SUBSCRIBE" {
			status = "403"
		}
		s.packets(noon, thief, tc.method+" sip:pbx SIP/2.0\nCall-ID: a\nCSeq: 2 "+tc.method+"\n"+tc.names+"\n\n",
			"SIP/2.0 "+status+" x\nCall-ID: a\n"+strings.Split(tc.names, "\nAuth")[0]+"\nCSeq: 2 "+tc.method+"\n\n")
		got := "none"
		for _, i := range s.incidents {
			got = i.Evidence[0].Account
		}
		if got != tc.want {
			t.Errorf("%s: account %q, want %q", name, got, tc.want)
		}
	}
}

// What crosses the wire of an office on a quiet day allocates little, and what
// carries no credentials nothing.
func BenchmarkWire(b *testing.B) {
	p := guessing(3)
	p.Wire = true
	j, err := judge.New(noon, p, judge.Discard{})
	if err != nil {
		b.Fatal(err)
	}
	j.Calls.List([]calls.Account{{Name: "1002", Login: true, Sure: true}})
	request := []byte("REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=00000000z\r\nFrom: <sip:1002@pbx>\r\nCall-ID: abcdef@h\r\nCSeq: 2 REGISTER\r\nAuthorization: Digest username=\"1002\",realm=\"asterisk\",nonce=\"1700000000/abc\",response=\"0\"\r\n\r\n")
	response := []byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z\r\nCall-ID: abcdef@h\r\nFrom: <sip:1002@pbx>\r\nCSeq: 2 REGISTER\r\n\r\n")
	at := netip.MustParseAddrPort("198.51.100.10:5060")
	branch, n := bytes.Index(request, []byte("00000000")), 0
	b.ReportAllocs()
	for b.Loop() {
		binary.NativeEndian.PutUint64(request[branch:], uint64(n)|0x4040404040404040) // not one that is sent again
		n++
		r, _ := sip.ParseRequest(request)
		j.Received(noon, at, &r)
		a, _ := sip.ParseResponse(response)
		j.Sent(noon, at, &a)
	}
}

// chan_sip reports no success of a call that comes from where nobody registered. The
// channel shows it, and the challenge before it from where.
func TestCallOfAnUnseenLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		guesses int
		callers []string
		want    string
	}{
		"a thief":                      {4, []string{thief}, "new place 2001"},
		"a new phone":                  {3, []string{thief}, ""},
		"the owner":                    {4, []string{office}, ""},
		"the owner, while others try":  {4, []string{office, thief}, ""},
		"a thief of several addresses": {4, []string{thief, "192.0.2.67"}, "new place 2001"},
		"nobody":                       {4, nil, ""},
	} {
		s := wired(t, 100)
		s.Places.Know("2001", netip.MustParseAddr(office), noon)
		for n := range tc.guesses {
			s.wire(t, noon, n, exchange{"INVITE", "2001", "x", "198.51.100.9", "", 403, ""})
		}
		at := noon.Add(time.Minute)
		for _, from := range tc.callers {
			s.hear(t, at, strings.Replace(security("ChallengeSent", "sip:2001@pbx", "c", from, "Challenge: x\r\n"), "Service: PJSIP", "Service: SIP", 1))
		}
		s.rings(at.Add(time.Second), "SIP/2001-00000001", "0123")
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: incidents %q, want %q", name, got, tc.want)
		}
	}
}
