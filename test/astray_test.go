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
		f.send(from, fmt.Sprintf("REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]d\r\nMax-Forwards: 70\r\nFrom: <sip:1002@%[1]s>;tag=a%[3]d\r\n"+
			"To: <sip:1002@%[1]s>\r\nCall-ID: astray-%[3]d\r\nCSeq: 1 REGISTER\r\nContact: <sip:1002@%[4]s>\r\nExpires: 60\r\n%[5]sContent-Length: 0\r\n\r\n",
			lab.PBXAddress, via, serial, from, headers))
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
			forge(from.String(), fmt.Sprintf("Authorization: Digest username=\"1002\",realm=\"asterisk\",nonce=\"%s\",uri=\"sip:%s\",response=\"%032x\",algorithm=MD5\r\n",
				nonce[1], lab.PBXAddress, serial))
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.wait("the forger's victim to be suspected", 5*time.Second, func() bool { return w.dropped(victim + "/32") })
	time.Sleep(500 * time.Millisecond) // what comes later would be proof
	if got := w.bans(); got != victim+"/32 sip #0" {
		t.Errorf("bans: %s; want what packets claim", got)
	}
}
