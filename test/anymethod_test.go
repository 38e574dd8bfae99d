package test

import (
	"crypto/md5"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// A trick is a way to guess passwords that could escape the sensors.
type trick struct {
	method    string              // REGISTER by default
	invented  bool                // answers nonces of its own, without asking for one
	oneDialog bool                // all requests are of one dialog
	edit      func(string) string // changes every request
	guess     func(string) string // changes those with credentials
	v6        bool
	only      lab.Version // the other one does not look at the password then, or does not answer
}

// replace and sub change the first part of a request, or all that match a pattern.
func replace(old, with string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, with, 1) }
}

func sub(pattern, with string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(s string) string { return re.ReplaceAllString(s, with) }
}

func both(f, g func(string) string) func(string) string {
	return func(s string) string { return g(f(s)) }
}

// unreported keeps PJSIP's events of a request from being issued: its Call-ID is not
// UTF-8.
var unreported = sub(`Call-ID: (.*)\r`, "Call-ID: $1\xff\r")

// behind moves the credentials behind a number, where PJSIP takes an & for the end of
// the header.
func behind(s string) string {
	credentials := regexp.MustCompile(`Authorization: [^\r]*`).FindString(s)
	s = strings.Replace(s, credentials+"\r\n", "", 1)
	return strings.Replace(s, "Max-Forwards: 70", "Max-Forwards: 70&"+credentials, 1)
}

func tricks() map[string]trick {
	const v16, v22 = lab.Asterisk16, lab.Asterisk22
	padding := "X-Pad: " + strings.Repeat("x", 2500) + "\r\n"
	list := map[string]trick{
		"SUBSCRIBE":                       {method: "SUBSCRIBE"},
		"SUBSCRIBE to nothing known":      {method: "SUBSCRIBE", edit: replace("presence", "foo")},
		"INVITE":                          {method: "INVITE"},
		"INVITE, one dialog":              {method: "INVITE", oneDialog: true, invented: true},
		"REGISTER, invented nonces":       {invented: true, oneDialog: true},
		"REGISTER, invented, own dialogs": {invented: true, only: v22},
		"REGISTER, one CSeq":              {invented: true, oneDialog: true, edit: sub(`CSeq: \d+ `, "CSeq: 7 ")},
		"MESSAGE":                         {method: "MESSAGE", edit: replace("Content-Length: 0\r\n\r\n", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")},
		"OPTIONS":                         {method: "OPTIONS", only: v22},
		"PUBLISH":                         {method: "PUBLISH", only: v22},
		"INFO, invented nonces":           {method: "INFO", invented: true, only: v22},
		"a method that does not exist":    {method: "FOO", invented: true, only: v22},
		"another method in CSeq":          {edit: sub(`CSeq: (\d+) .*\r`, "CSeq: $1 ACK\r")},
		"two CSeqs":                       {edit: sub(`(CSeq: \d+ )(.*\r\n)`, "CSeq: 5 $2$1$2"), only: v22},
		"CSeq with a sign":                {edit: sub(`CSeq: (\d+)`, "CSeq: +$1"), only: v16},
		"CSeq beyond all numbers":         {edit: sub(`CSeq: (\d+)`, "CSeq: 4294967296$1"), only: v16},
		"CSeq with a tab":                 {edit: sub(`CSeq: (\d+) `, "CSeq: 0$1\t")},
		"Call-ID with spaces":             {edit: sub(`Call-ID: (.*)\r`, "Call-ID: a  b $1  \r")},
		"a long Call-ID":                  {edit: sub(`Call-ID: (.*)\r`, "Call-ID: ${1}"+strings.Repeat("x", 150)+"\r")},
		"Call-ID in two lines":            {edit: sub(`Call-ID: m`, "Call-ID: m\r\n x"), only: v16},
		"short names":                     {edit: both(both(replace("Via:", "v:"), replace("From:", "f:")), both(replace("To:", "t:"), replace("Call-ID:", "i:")))},
		"two names of Call-ID":            {edit: sub(`(Call-ID: .*\r\n)`, "i: decoy\r\n$1")},
		"capitals":                        {edit: both(sub(`^REGISTER`, "register"), replace(" REGISTER\r\n", " register\r\n")), only: v16},
		"lower-case version":              {edit: replace(" SIP/2.0\r\n", "\tsip/2.0  \r\n")},
		"an empty line in front":          {edit: func(s string) string { return "\r\n\r\n" + s }, only: v22},
		"a control character in front":    {edit: func(s string) string { return "\x01\t" + s }, only: v16},
		"line feeds":                      {edit: func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }},
		"carriage returns":                {edit: func(s string) string { return strings.ReplaceAll(s, "\r\n", "\r") }, only: v22},
		"carriage returns in names":       {edit: replace("Call-ID", "Cal\rl-ID"), guess: replace("Author", "Auth\ror"), only: v16},
		"two carriage returns":            {edit: func(s string) string { return strings.ReplaceAll(s, "\r\n", "\r\r\n") }, only: v16},
		"folded headers":                  {edit: both(replace("Call-ID: ", "Call-ID:\r\n "), both(replace("CSeq: ", "CSeq:\r\n "), replace("Digest ", "\r\n Digest ")))},
		"no end of headers":               {guess: replace("\r\nContent-Length: 0\r\n\r\n", "")},
		"credentials behind a number":     {guess: behind, only: v22},
		"decoy for a proxy":               {guess: replace("Authorization:", "Proxy-Authorization: Digest username=\"x\",nonce=\"x\"\r\nAuthorization:")},
		"decoy of another realm":          {guess: replace("Authorization:", "Authorization: Digest username=\"x\",realm=\"x\",nonce=\"1/x\",uri=\"sip:x\",response=\"0\"\r\nAuthorization:"), only: v22},
		"a name in another form":          {edit: sub(`(From|To): <sip:1`, "$1: \"a <sip:x@y> \\\" <\" <SIP:%31")},
		"another From":                    {edit: sub(`From: <sip:\d+@`, "From: <sip:nobody@"), only: v16},
		"Via with maddr":                  {edit: replace(";rport", ";rport;maddr=192.0.2.55"), only: v16},
		"Via without rport":               {edit: replace(";rport", ";received=192.0.2.55")},
		"Via of TCP":                      {edit: replace("SIP/2.0/UDP", "SIP/2.0/TCP")},
		"several Vias":                    {edit: sub(`(Via: .*)\r\n`, "$1, SIP/2.0/UDP 192.0.2.55;branch=z9hG4bKx\r\n")},
		"headers in a Via":                {edit: sub(`Via: SIP/2.0/UDP [^;]*`, "Via: SIP/2.0/UDP [a\r\nCall-ID: x\r\nX: y]"), only: v22},
		"headers in a To":                 {edit: sub(`To: <([^@]*)@[^>]*>`, "To: <$1@[a\r\nFrom: <sip:x@y>\r\nCSeq: 1 X\r\nX: y]>"), only: v22},
		"IPv6":                            {v6: true},
		"IPv6, credentials in a fragment": {v6: true, edit: replace("Max-Forwards", padding+"Max-Forwards")},
		"IPv6, everything in a fragment":  {v6: true, edit: replace("Via:", padding+"Via:")},
		"IPv4 fragments":                  {edit: replace("Via:", padding+"Via:")},
	}
	for _, name := range []string{
		"REGISTER, invented, own dialogs", "two CSeqs", "an empty line in front", "carriage returns", "lower-case version", "no end of headers",
		"credentials behind a number", "decoy of another realm", "headers in a Via", "headers in a To", "CSeq with a tab", "IPv6, everything in a fragment",
	} {
		t := list[name]
		t.only = v22
		if t.edit == nil {
			t.edit = unreported
		} else {
			t.edit = both(unreported, t.edit)
		}
		list[name+", unreported"] = t
	}
	// Without events, SUBSCRIBE is what chan_sip leaves to the wire alone.
	for name, t := range list {
		if t.method == "" && t.only != v22 && !t.invented && !strings.Contains(name, "another From") && name != "capitals" {
			t.method, t.only = "SUBSCRIBE", v16
			list["SUBSCRIBE, "+name] = t
		}
	}
	return list
}

// trickster plays a trick from one address.
type trickster struct {
	trick
	conn *net.UDPConn
	pbx  netip.AddrPort
	user string
}

// send sends request number n of a dialog: with credentials if there is a nonce.
func (c *trickster) send(n, dialog int, nonce string) {
	method, kind, credentials := c.method, "plain", ""
	if method == "" {
		method = "REGISTER"
	}
	if c.oneDialog {
		dialog = 0
	}
	local := c.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	domain := strings.TrimSuffix(c.pbx.String(), ":5060")
	uri, to := "sip:"+domain, c.user
	if method != "REGISTER" {
		to = "00442079460500"
		uri = "sip:" + to + "@" + domain
	}
	if nonce != "" {
		kind = "guess"
		credentials = fmt.Sprintf("Authorization: Digest username=%q,realm=\"asterisk\",nonce=%q,uri=%q,response=\"%x\",algorithm=MD5\r\n",
			c.user, nonce, uri, md5.Sum([]byte(nonce+kind)))
	}
	text := fmt.Sprintf("%[1]s %[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;rport;branch=z9hG4bK-%[4]s-%[5]d\r\nMax-Forwards: 70\r\nFrom: <sip:%[6]s@%[7]s>;tag=w%[8]d\r\n"+
		"To: <sip:%[9]s@%[7]s>\r\nCall-ID: m%[10]x-%[8]d\r\nCSeq: %[5]d %[1]s\r\nContact: <sip:%[6]s@%[3]s>\r\nExpires: 60\r\nEvent: presence\r\nAccept: application/pidf+xml\r\n%[11]sContent-Length: 0\r\n\r\n",
		method, uri, local, kind, n, c.user, domain, dialog, to, local.Addr().AsSlice(), credentials)
	if c.edit != nil {
		text = c.edit(text)
	}
	if c.guess != nil && nonce != "" {
		text = c.guess(text)
	}
	_, _ = c.conn.WriteToUDPAddrPort([]byte(text), c.pbx)
}

var dialogOf = regexp.MustCompile(`tag=w(\d+)`)

// run guesses 300 times a second, n times, and returns how many guesses are answered.
// It does not wait for answers but those with nonces.
func (c *trickster) run(n int) (answered int) {
	var asking sync.WaitGroup
	asking.Go(func() {
		for i := range n {
			nonce := ""
			if c.invented {
				nonce = fmt.Sprintf("1700000000/%032x", i)
			}
			c.send(2*i+1, i, nonce)
			time.Sleep(time.Second / 300)
		}
	})
	defer asking.Wait()
	buf := make([]byte, 8192)
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		size, err := c.conn.Read(buf)
		if err != nil {
			return answered
		}
		answer := string(buf[:size])
		nonce := nonceSent.FindStringSubmatch(answer)
		switch {
		case !strings.HasPrefix(answer, "SIP/2.0 40"):
		case strings.Contains(answer, "branch=z9hG4bK-guess-"):
			answered++
		case nonce != nil:
			var dialog int
			if m := dialogOf.FindStringSubmatch(answer); m != nil {
				_, _ = fmt.Sscan(m[1], &dialog)
			}
			c.send(2*dialog+2, dialog, nonce[1])
		}
	}
}

// Whatever a guesser sends over UDP, at 300 guesses a second it gets at most ten
// answers past the default threshold, though Asterisk may report nothing of them.
func TestGuessesByAnyMethod(t *testing.T) {
	const threshold, most = 3, 10
	onBoth(t, func(t *testing.T, l *lab.Lab) {
		h := addHost(t, l, "attackers")
		answers := map[string]int{}
		play := func(second byte, names []string) {
			players := map[string]*trickster{}
			for i, name := range names {
				c := &trickster{trick: tricks()[name], pbx: netip.MustParseAddrPort(lab.PBXAddress + ":5060"), user: fmt.Sprint(1001 + i%5)}
				address := netip.AddrFrom4([4]byte{198, 18 + second, byte(i), 66}) // each in a network of its own
				if c.v6 {
					address = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(i), second, 15: 66})
					c.pbx = netip.MustParseAddrPort("[" + lab.PBXAddress6 + "]:5060")
				}
				if err := h.AddAddress(address); err != nil {
					t.Fatal(err)
				}
				c.conn = listenUDP(t, h, netip.AddrPortFrom(address, 5070).String())
				players[name] = c
			}
			var (
				running = make(chan bool, 4)
				done    sync.WaitGroup
				mu      sync.Mutex
			)
			for name, c := range players {
				running <- true
				done.Go(func() {
					n := c.run(60)
					mu.Lock()
					answers[name] = n
					mu.Unlock()
					<-running
				})
			}
			done.Wait()
		}
		guardWith(t, l, "")
		time.Sleep(time.Second) // the first second after a start is lenient
		play(0, slices.DeleteFunc(slices.Sorted(maps.Keys(tricks())), func(name string) bool {
			only := tricks()[name].only
			return only != "" && only != l.Version
		}))
		// A busy Asterisk answers some only after their ban. They have another try.
		play(1, slices.DeleteFunc(slices.Sorted(maps.Keys(answers)), func(name string) bool { return answers[name] > 0 }))
		for _, name := range slices.Sorted(maps.Keys(answers)) {
			n := answers[name]
			t.Logf("%-45s %d", name, n)
			if n > threshold+most {
				t.Errorf("%s: %d guesses are answered", name, n)
			} else if n == 0 {
				t.Errorf("%s: no guess is answered, so that this tests nothing", name)
			}
		}
	})
}
