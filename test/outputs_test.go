package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/tollwarden/tollwarden/ami/amitest"
)

// evil is what an attacker can put into a value by percent-encoding, all of it
// valid UTF-8 and on one line: terminal sequences with ESC and with C1's CSI, DEL,
// marks that reverse the reading direction, HTML, quotes, an AMI header.
const evil = "<b>\"'&\x1b[31m\u009b2J\x7f\u202egnp\tAction: Ping"

// harm returns the first part of a text that is not printable, "" when all is.
func harm(text string) string {
	for i, c := range text {
		if c != '\n' && !unicode.IsPrint(c) {
			return fmt.Sprintf("%q in %q", c, text[max(0, i-60):min(len(text), i+40)])
		}
	}
	return ""
}

// No hostile value of an event reaches a terminal, a page, a log line, a receiver,
// the metrics or the manager interface unescaped.
func TestHostileValuesStayWords(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var posted []string
	b := newBooth(t, "")
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		posted = append(posted, string(body))
		mu.Unlock()
	}))
	defer receiver.Close()
	settings, err := os.ReadFile(b.config())
	if err != nil {
		t.Fatal(err)
	}
	const health = "127.0.0.1:9465"
	if err := os.WriteFile(b.config(), append(settings, fmt.Sprintf("[notify]\nwebhook = %q\n[health]\nlisten = %q\n[calls]\nlearn = \"1s\"\n", receiver.URL, health)...), 0o600); err != nil {
		t.Fatal(err)
	}
	b.pbx.Register(amitest.Contact{Account: "1002", Via: netip.MustParseAddrPort("198.51.100.11:5060"), UserAgent: evil})
	b.start()

	var transcript strings.Builder
	play := func(text string) {
		transcript.WriteString(text)
		b.pbx.Raw("security", text)
	}
	for i := range 6 {
		play(security("InvalidAccountID", evil, fmt.Sprint(evil, i), "203.0.113.7", ""))
		play(security("ChallengeResponseFailed", evil, fmt.Sprint(evil, i), "203.0.113.8", "Challenge: "+evil+"\r\nResponse: "+evil+"\r\nExpectedResponse: \r\n"))
		play(security("ChallengeResponseFailed", evil, fmt.Sprint(evil, i), fmt.Sprintf("203.0.113.%d", 20+i), "Challenge: "+evil+"\r\nResponse: "+evil+"\r\nExpectedResponse: \r\n"))
		play(security("FailedACL", evil, fmt.Sprint(evil, i), "203.0.113.10", "ACLName: "+evil+"\r\n"))
	}
	play(security("SuccessfulAuth", evil, evil, "203.0.113.9", "UsingPassword: 1\r\n")) // a break-in
	name := strings.ReplaceAll(evil, "<", "")                                           // which ends a channel's name
	for i := range 4 {
		b.pbx.Raw("call", newCall(fmt.Sprintf("PJSIP/caller%s-%08x", name, i), evil, "+881612345678"))
		b.pbx.Raw("call", newCall(fmt.Sprintf("PJSIP/other%s-%08x", name, i), evil, "+"+evil))
	}
	b.wait("the incidents", func() bool {
		seen := map[string]bool{}
		list, err := b.client().Incidents(t.Context(), 100)
		for _, i := range list {
			open := false
			for _, s := range i.Steps {
				open = open || s.State == "intended"
			}
			seen[i.Threshold] = seen[i.Threshold] || !open
		}
		return err == nil && seen["scanning"] && seen["break-in"] && (seen["anonymous call"] || seen["toll fraud"])
	})

	check := func(what, text string) {
		t.Helper()
		if text == "" {
			t.Errorf("%s says nothing", what)
		}
		if h := harm(text); h != "" {
			t.Errorf("%s: %s", what, h)
		}
	}
	commands := [][]string{
		{"status"},
		{"bans"},
		{"sources"},
		{"accounts"},
		{"incidents"},
		{"allow", "list"},
		{"hangup", evil},
		{"rotate", evil},
		{"lock", evil},
		{"unlock", evil},
	}
	incidents, err := b.client().Incidents(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range incidents {
		commands = append(commands, []string{"incident", fmt.Sprint(i.ID)}, []string{"incident", fmt.Sprint(i.ID), "--annex"}, []string{"incident", fmt.Sprint(i.ID), "--html"})
	}
	for _, c := range commands {
		out := b.run(append(c, "--socket", b.socket())...)
		check(strings.Join(c[:1], " "), out.out+out.err)
		if c[len(c)-1] == "--html" {
			if strings.Contains(out.out, "<b>\"") || strings.Contains(out.out, "<b>&#34;") {
				t.Errorf("%v: its HTML contains the attacker's", c)
			}
			continue
		}
		if c[len(c)-1] != "--annex" && c[0] != "allow" {
			out = b.run(append(c, "--json", "--socket", b.socket())...)
			check(strings.Join(c[:1], " ")+" --json", out.out+out.err)
		}
	}
	recording := filepath.Join(b.dir, "recording")
	if err := os.WriteFile(recording, []byte("Asterisk Call Manager/11.0.0\r\n"+transcript.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"", "--observations", "--json"} {
		args := append([]string{"replay", "-c", b.config()}, strings.Fields(how)...)
		out := b.run(append(args, recording)...)
		check("replay "+how, out.out+out.err)
	}
	for _, path := range []string{"/metrics", "/healthz"} {
		body := get(t, health, path)
		check(path, body)
		if strings.Contains(body, "Ping") {
			t.Errorf("%s contains a name that the attacker chose", path)
		}
	}
	mu.Lock()
	check("the webhook", strings.Join(posted, "\n"))
	mu.Unlock()
	check("the log", b.log.String())
	if !strings.Contains(b.log.String(), "Action: Ping") {
		t.Error("the log does not mention the attacker: the events did not arrive")
	}
}

// newCall is a Newchannel of a phone that calls, as Asterisk writes it.
func newCall(channel, caller, number string) string {
	return "Event: Newchannel\r\nPrivilege: call,all\r\nChannel: " + channel + "\r\nChannelState: 4\r\nChannelStateDesc: Ring\r\nCallerIDNum: " + caller +
		"\r\nCallerIDName: " + caller + "\r\nConnectedLineNum: <unknown>\r\nConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: \r\nContext: internal\r\nExten: " +
		number + "\r\nPriority: 1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\n"
}

// get returns what a server in the namespace answers. It dials from this
// goroutine, whose thread is in the namespace.
func get(t *testing.T, address, path string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	return body
}
