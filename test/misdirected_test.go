package test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

var nonceSent = regexp.MustCompile(`nonce="([^"]+)"`)

// A forger has Asterisk send the answers to forged requests to himself, by a
// Via with maddr. So he learns nonces of somebody else's address, which Asterisk
// sends to that address, too, when it is asked within the same second. Or he has
// it send a nonce of his own there, in a header that he writes into his Via, as
// PJSIP takes all between [ and ] for a host. What he then forges with them is
// not taken for proof.
func TestAnswersSentElsewhereProveNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	victims := addHost(t, l, "victim", "198.51.100.44", "198.51.100.45", "198.51.100.46")
	attacker := addHost(t, l, "attacker", guesserAddress)
	w := guardWith(t, l, shortRules(3))
	f := newForger(t, attacker)
	serial := 0
	forge := func(from netip.AddrPort, via, headers string) {
		serial++
		f.send(from, request(via, fmt.Sprint("misdirected-", serial), 1, headers))
	}
	// accuse forges guesses with a nonce, of which Asterisk has sent such an answer.
	accuse := func(t *testing.T, from netip.AddrPort, nonce []byte, answers uint64) {
		t.Helper()
		w.wait("the answers to be seen", 5*time.Second, func() bool { return w.counter("challenges_misdirected") >= answers })
		for range 6 {
			forge(from, from.String(), wrong(nonce))
		}
		victim := netip.PrefixFrom(from.Addr(), 32)
		w.wait("the forger's victim to be suspected", 5*time.Second, func() bool { return w.dropped(victim.String()) })
		w.wait("all guesses to be judged", 5*time.Second, func() bool {
			log, err := l.SecurityLog()
			return err == nil && w.counter("observations") >= uint64(log.From(netip.MustParsePrefix("198.51.100.0/24")).Guesses())
		})
		if got := w.bans(); !strings.Contains(got, victim.String()+" sip #0") {
			t.Errorf("bans: %s; want what packets claim", got)
		}
	}
	for i, via := range []string{guesserAddress + ":%d;maddr=" + guesserAddress, "[x;received=z]:%d;maddr=" + guesserAddress} {
		t.Run(via, func(t *testing.T) {
			from := netip.AddrPortFrom(victims.Addresses()[i], 5060)
			conn := listenUDP(t, attacker, fmt.Sprintf("%s:%d", guesserAddress, 5099+i))
			before, seen := w.counter("challenges_misdirected"), w.counter("challenges_seen")
			for range 6 { // within one second, so that the nonces are the same
				forge(from, from.String(), "")
				forge(from, fmt.Sprintf(via, 5099+i), "")
			}
			nonces := nonceSent.FindSubmatch(receive(t, conn))
			if nonces == nil {
				t.Fatal("no nonce in an answer")
			}
			w.wait("the victim to be answered", 5*time.Second, func() bool { return w.counter("challenges_seen") >= seen+6 })
			accuse(t, from, nonces[1], before+6)
		})
	}
	t.Run("a header of his own", func(t *testing.T) {
		from := netip.AddrPortFrom(victims.Addresses()[2], 5060)
		conn := listenUDP(t, victims, from.String())
		before := w.counter("challenges_misdirected")
		header := "\r\n" + `WWW-Authenticate: Digest realm="asterisk",nonce="1/his"` + "\r\n"
		forge(from, "[x;received="+from.Addr().String()+header+"X: y]", "")
		if answer := string(receive(t, conn)); !strings.Contains(answer, header) {
			t.Fatalf("Asterisk sends it back no more: %q", answer)
		}
		accuse(t, from, []byte("1/his"), before+1)
	})
}

func (w *warden) counter(name string) uint64 {
	w.t.Helper()
	s, err := w.client().Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Counters[name]
}

func listenUDP(t *testing.T, h *lab.Host, address string) *net.UDPConn {
	t.Helper()
	conn, err := h.ListenUDP(netip.MustParseAddrPort(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func receive(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	buf := make([]byte, 4096)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("Asterisk sends no answer: %v", err)
	}
	return buf[:n]
}

// chan_sip sends a challenge once more to whoever repeats the last request of its dialog,
// whatever the transport of the first and however much the first sender has asked in
// between. So a forger knows what was sent to another's address, and to no other as far
// as the wire shows, which is no proof there.
func TestRepeatedChallengesProveNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk16})
	victims := addHost(t, l, "victim", "198.51.100.44", "198.51.100.45", "198.51.100.46")
	attacker := addHost(t, l, "attacker", guesserAddress)
	w := guardWith(t, l, shortRules(3))
	f := newForger(t, attacker)
	for i, tc := range []struct {
		transport string
		keep      int // requests that keep the dialog, after the one that is challenged
	}{{"udp", 0}, {"tcp", 0}, {"udp", 2}} {
		t.Run(fmt.Sprintf("%s, kept by %d requests", tc.transport, tc.keep), func(t *testing.T) {
			conn, err := attacker.Dial(t.Context(), tc.transport, lab.PBXAddress+":5060")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ask := func(request string) []byte {
				if _, err := conn.Write([]byte(strings.Replace(request, "SIP/2.0/UDP", "SIP/2.0/"+strings.ToUpper(tc.transport), 1))); err != nil {
					t.Fatal(err)
				}
				return receive(t, conn)
			}
			from := netip.AddrPortFrom(victims.Addresses()[i], 5060)
			victim := listenUDP(t, victims, from.String())
			for n := range 3 {
				call, cseq := fmt.Sprint("repeated-", i, "-", n), 1
				answer := ask(request(conn.LocalAddr().String()+";rport", call, cseq, ""))
				nonce := nonceSent.FindSubmatch(answer)
				if nonce == nil {
					t.Fatalf("no nonce in %q", answer)
				}
				for range tc.keep {
					cseq++
					ask(strings.ReplaceAll(request(conn.LocalAddr().String()+";rport", call, cseq, ""), "REGISTER", "OPTIONS"))
				}
				f.send(from, request(from.String()+";rport", call, cseq, "")) // the challenge once more, to the victim
				answer = receive(t, victim)
				for !bytes.HasPrefix(answer, []byte("SIP/2.0 401")) { // the refusal of the last guess
					answer = receive(t, victim)
				}
				if !bytes.Contains(answer, nonce[0]) {
					t.Errorf("Asterisk sends the victim no old challenge: %q", answer)
				}
				f.send(from, request(from.String()+";rport", call, cseq+1, wrong(nonce[1])))
				time.Sleep(100 * time.Millisecond)
			}
			address := from.Addr().String() + "/32"
			w.wait("the forger's victim to be suspected", 5*time.Second, func() bool { return w.dropped(address) })
			if got := w.bans(); !strings.Contains(got, address+" sip #0") {
				t.Errorf("bans: %s; want what packets claim", got)
			}
		})
	}
}

// request is a REGISTER of 1002 with a Via of the sender's choice.
func request(via, callID string, cseq int, headers string) string {
	return fmt.Sprintf("REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]s-%[4]d\r\nMax-Forwards: 70\r\nFrom: <sip:1002@%[1]s>;tag=a\r\n"+
		"To: <sip:1002@%[1]s>\r\nCall-ID: %[3]s\r\nCSeq: %[4]d REGISTER\r\nContact: <sip:1002@192.0.2.77>\r\nExpires: 60\r\n%[5]sContent-Length: 0\r\n\r\n",
		lab.PBXAddress, via, callID, cseq, headers)
}

// wrong answers a challenge with a digest that is no secret's.
func wrong(nonce []byte) string {
	return fmt.Sprintf("Authorization: Digest username=\"1002\",realm=\"asterisk\",nonce=\"%s\",uri=\"sip:%s\",response=\"%032x\",algorithm=MD5\r\n", nonce, lab.PBXAddress, 1)
}
