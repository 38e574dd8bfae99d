package test

import (
	"crypto/md5"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// cracker tries passwords with requests of its own making over one UDP socket.
type cracker struct {
	t            *testing.T
	conn         *net.UDPConn
	cseq, dialog int

	method, user, via string
	newDialog         bool // for each guess
}

func newCracker(t *testing.T, h *lab.Host, port uint16, method string) *cracker {
	t.Helper()
	return &cracker{
		t: t, conn: listenUDP(t, h, netip.AddrPortFrom(h.Source(), port).String()), method: method, user: "1002",
		via: fmt.Sprintf("%s:%d;rport", h.Source(), port),
	}
}

// request is the request with this CSeq.
func (c *cracker) request(headers string) string {
	uri := "sip:" + lab.PBXAddress
	if c.method != "REGISTER" {
		uri = "sip:00442079460500@" + lab.PBXAddress
	}
	text := fmt.Sprintf("%[1]s %[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;branch=z9hG4bKw%[4]d-%[10]s\r\nMax-Forwards: 70\r\nFrom: <sip:%[5]s@%[6]s>;tag=w%[7]d\r\nTo: <%[2]s>\r\n"+
		"Call-ID: wire-%[8]s-%[7]d\r\nCSeq: %[4]d %[1]s\r\nContact: <sip:%[5]s@%[8]s>\r\nExpires: 60\r\nEvent: presence\r\nAccept: application/pidf+xml\r\n%[9]sContent-Length: 0\r\n\r\n",
		c.method, uri, c.via, c.cseq, c.user, lab.PBXAddress, c.dialog, c.conn.LocalAddr(), headers, strings.ReplaceAll(c.conn.LocalAddr().String(), ":", "-"))
	if c.method == "REGISTER" {
		text = strings.Replace(text, "To: <"+uri+">", fmt.Sprintf("To: <sip:%s@%s>", c.user, lab.PBXAddress), 1)
	}
	return text
}

func (c *cracker) write(message string) {
	c.t.Helper()
	if _, err := c.conn.WriteToUDPAddrPort([]byte(message), netip.MustParseAddrPort(lab.PBXAddress+":5060")); err != nil {
		c.t.Fatal(err)
	}
}

// exchange sends a request and returns its first final response, or "" after a
// while.
func (c *cracker) exchange(headers string) string {
	c.t.Helper()
	c.cseq++
	c.write(c.request(headers))
	buf := make([]byte, 4096)
	_ = c.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	for {
		n, err := c.conn.Read(buf)
		if err != nil {
			return ""
		}
		if answer := string(buf[:n]); !strings.HasPrefix(answer, "SIP/2.0 1") && strings.Contains(answer, fmt.Sprintf("CSeq: %d ", c.cseq)) {
			return answer
		}
	}
}

// credentials are the digest of a password for a nonce (RFC 2617 section 3.2.2.1,
// without qop).
func (c *cracker) credentials(password, nonce string) string {
	hash := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	uri := "sip:" + lab.PBXAddress
	return fmt.Sprintf("Authorization: Digest username=%q,realm=\"asterisk\",nonce=%q,uri=%q,response=%q,algorithm=MD5\r\n",
		c.user, nonce, uri, hash(hash(c.user+":asterisk:"+password)+":"+nonce+":"+hash(c.method+":"+uri)))
}

// guess tries a password, with a nonce that was sent to this address or an invented
// one.
func (c *cracker) guess(password string, challenged bool) string {
	c.t.Helper()
	if c.newDialog {
		c.dialog++
	}
	nonce := fmt.Sprintf("1700000000/%032x", c.cseq)
	if challenged {
		sent := nonceSent.FindStringSubmatch(c.exchange(""))
		if sent == nil {
			return ""
		}
		nonce = sent[1]
	}
	return c.exchange(c.credentials(password, nonce))
}

// A response says that the password is right, though nobody signs in. The nonce is dated
// before the daemon started, which leaves doubt: after wrong guesses the address is on
// probation, and with its first call abroad it is contained.
func TestPasswordRevealedIsABreakIn(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, shortRules(50))
		attacker := addHost(t, l, "attacker", guesserAddress)
		c := newCracker(t, attacker, 5070, "REGISTER")
		for n := range 5 {
			c.guess(fmt.Sprint("wrong-", n), false)
		}
		answer := c.guess(lab.Passwords["1002"], false)
		if !strings.Contains(answer, "stale=true") {
			t.Fatalf("Asterisk does not reveal it: %q", answer)
		}
		w.newPlace("1002")
		callNowhere(t, addPhone(t, attacker, "1002"))
		w.wait("the account to be contained", 10*time.Second, func() bool { return w.rotated("1002") })
	})
}
