package test

import (
	"fmt"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

var nonceSent = regexp.MustCompile(`nonce="([^"]+)"`)

// A forger has Asterisk send the answers to forged requests to himself, by a
// Via with maddr. So he learns nonces of somebody else's address, which Asterisk
// sends to that address, too, when it is asked within the same second: what he
// then forges with them is not taken for proof.
func TestAnswersSentElsewhereProveNothing(t *testing.T) {
	const victim = "198.51.100.44"
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	addHost(t, l, "victim", victim)
	attacker := addHost(t, l, "attacker", guesserAddress)
	w := guardWith(t, l, shortRules(3))
	conn, err := attacker.ListenUDP(netip.MustParseAddrPort(guesserAddress + ":5099"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f := newForger(t, attacker)
	from := netip.MustParseAddrPort(victim + ":5060")
	serial := 0
	forge := func(via, headers string) {
		serial++
		f.send(from, request(via, fmt.Sprint("astray-", serial), 1, headers))
	}
	buf := make([]byte, 4096)
	for range 3 {
		for range 6 { // within one second, so that the nonces are the same
			forge(from.String(), "")
			forge(conn.LocalAddr().String()+";maddr="+guesserAddress, "")
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatalf("Asterisk sends no answer elsewhere any more: %v", err)
		}
		nonce := nonceSent.FindSubmatch(buf[:n])
		if nonce == nil {
			t.Fatalf("no nonce in %q", buf[:n])
		}
		for range 4 {
			forge(from.String(), wrong(nonce[1]))
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.wait("the forger's victim to be suspected", 5*time.Second, func() bool { return w.dropped(victim + "/32") })
	time.Sleep(500 * time.Millisecond) // what comes later would be proof
	if got := w.bans(); got != victim+"/32 sip #0" {
		t.Errorf("bans: %s; want what packets claim", got)
	}
}

// chan_sip sends a challenge once more to whoever repeats the request. So a
// forger knows what was sent to another's address, which is no proof there.
func TestRepeatedChallengesProveNothing(t *testing.T) {
	const victim = "198.51.100.44"
	l := lab.New(t, lab.Options{Version: lab.Asterisk16})
	addHost(t, l, "victim", victim)
	attacker := addHost(t, l, "attacker", guesserAddress)
	w := guardWith(t, l, shortRules(3))
	conn, err := attacker.ListenUDP(netip.MustParseAddrPort(guesserAddress + ":5099"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f := newForger(t, attacker)
	from := netip.MustParseAddrPort(victim + ":5060")
	buf := make([]byte, 4096)
	for i := range 3 {
		call := fmt.Sprint("repeated-", i)
		if _, err := conn.WriteToUDPAddrPort([]byte(request(conn.LocalAddr().String()+";rport", call, 1, "")), netip.MustParseAddrPort(lab.PBXAddress+":5060")); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		nonce := nonceSent.FindSubmatch(buf[:n])
		if nonce == nil {
			t.Fatalf("no nonce in %q", buf[:n])
		}
		f.send(from, request(from.String()+";rport", call, 1, "")) // the challenge once more, to the victim
		time.Sleep(100 * time.Millisecond)
		f.send(from, request(from.String()+";rport", call, 2, wrong(nonce[1])))
		time.Sleep(100 * time.Millisecond)
	}
	w.wait("the forger's victim to be suspected", 5*time.Second, func() bool { return w.dropped(victim + "/32") })
	if got := w.bans(); got != victim+"/32 sip #0" {
		t.Errorf("bans: %s; want what packets claim", got)
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
