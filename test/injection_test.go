package test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/test/lab"
)

// victim is whom the forgeries of this file accuse, or clear.
const victim = "8.8.8.8"

// The pieces of forgeries, as a request can carry them.
const (
	otherSource = "%0d%0aRemoteAddress%3a%20IPV4/UDP/8.8.8.8/5"
	endsEvent   = "%0d%0a%0d%0aEvent%3a%20SuccessfulAuth%0d%0a"
	// wholeEvent is more than Asterisk lets through, for what it cuts.
	wholeEvent = "%0d%0aSessionID:1%0d%0aLocalAddress:IPV4/UDP/192.0.2.1/1%0d%0aRemoteAddress:IPV4/TCP/8.8.8.8/5%0d%0a%0d%0a" +
		"Event:SuccessfulAuth%0d%0aPrivilege:security,all%0d%0aEventTV:2026-11-22T00:26:26.070+0000%0d%0aSeverity:Informational%0d%0aService:PJSIP%0d%0aEventVersion:1%0d%0aAccountID:1001"
	// endsCall writes the headers that follow Exten.
	endsCall = "%0d%0aPriority:0%0d%0aUniqueid:7.7%0d%0aLinkedid:7.0%0d%0a"
)

// forgeries are what is put where a stranger may write.
var forgeries = map[string]string{
	"CR":                       "x%0d",
	"LF":                       "x%0aRemoteAddress: IPV4/UDP/8.8.8.8/5",
	"NUL":                      "x%00y",
	"another source":           "x" + otherSource,
	"an end and a beginning":   endsEvent,
	"a whole event":            wholeEvent,
	"the end of a call":        endsCall,
	"an answer":                "%0d%0a%0d%0aResponse%3a%20Success%0d%0a",
	"36 bytes end in a CR":     strings.Repeat("a", 35) + "%0d%0aRemoteAddress",
	"36 bytes end in a CR LF":  strings.Repeat("a", 34) + "%0d%0aRemoteAddress",
	"36 bytes cut a character": strings.Repeat("a", 35) + "%c3%a9",
	"encoded twice":            "x%250d%250aRemoteAddress%253a%20IPV4/UDP/8.8.8.8/5",
	"broken encoding":          "x%0%d%%0d%zz",
	"oversized":                strings.Repeat("%0d%0aRemoteAddress%3aIPV4/UDP/8.8.8.8/5", 20),
	"not UTF-8":                "x%ff%fe",
	"a terminal's":             "%1b%5b31m%c2%9b2J",
	"a log line's":             "x%0a%5b1%5d NOTICE%5b1%5d manager.c: 8.8.8.8 failed to authenticate as 'a'%0a",
}

// raws are the same for headers that are not percent-decoded: folded lines and
// bare control characters.
var raws = map[string]string{
	"folded":              "x\r\n RemoteAddress: IPV4/UDP/8.8.8.8/5",
	"folded by LF":        "x\n RemoteAddress: IPV4/UDP/8.8.8.8/5",
	"a control character": "x\x0b\x1b[31m",
	"encoded":             "x" + otherSource,
	"not UTF-8":           "x\xff\xfe",
	"oversized":           strings.Repeat("RemoteAddress: IPV4/UDP/8.8.8.8/5 ", 60),
	"quotes of a log":     `x",RemoteAddress="IPV4/TCP/8.8.8.8/1"' failed for '8.8.8.8:5' (callid: x`,
}

// attempt is one request with something forged somewhere.
type attempt struct {
	method, from, display, to, uri, callID, agent, headers string
}

func (a attempt) text(at netip.AddrPort, id string) string {
	or := func(v, otherwise string) string {
		if v == "" {
			return otherwise
		}
		return v
	}
	uri := lab.PBXAddress
	if a.uri != "" {
		uri = a.uri + "@" + uri
	}
	method := or(a.method, "REGISTER")
	return fmt.Sprintf("%s sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: %s<sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%[7]s>\r\n"+
		"Call-ID: %[10]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:x@%[3]s>\r\nUser-Agent: %[11]s\r\nExpires: 60\r\n%[12]sContent-Length: 0\r\n\r\n",
		method, uri, at, id, a.display, or(a.from, "stranger"), lab.PBXAddress, id, or(a.to, or(a.from, "stranger")),
		id+a.callID, or(a.agent, "x"), a.headers)
}

// attempts puts every forgery everywhere.
func attempts() map[string]attempt {
	all := map[string]attempt{}
	for name, v := range forgeries {
		all["From "+name] = attempt{from: v}
		all["To "+name] = attempt{from: "1002", to: v}
		all["INVITE to "+name] = attempt{method: "INVITE", from: "1002", uri: v, to: v}
		all["call to "+name] = attempt{method: "INVITE", from: "gate", uri: "00" + v, to: "00" + v}
		all["caller "+name] = attempt{method: "INVITE", from: v, uri: "00441632960000", to: "00441632960000"}
		all["login name "+name] = attempt{from: "1002", headers: fmt.Sprintf(login, v, "1/1", "x")}
		all["nonce "+name] = attempt{from: "1002", headers: fmt.Sprintf(login, "1002", v, "x")}
	}
	for name, v := range raws {
		all["Call-ID "+name] = attempt{from: "1002", callID: v}
		all["Call-ID of a call "+name] = attempt{method: "INVITE", from: "gate", uri: "00441632960000", callID: v}
		all["User-Agent "+name] = attempt{from: "1002", agent: v}
		all["display name "+name] = attempt{from: "1002", display: `"` + strings.ReplaceAll(v, `"`, `\"`) + `" `}
		all["response "+name] = attempt{from: "1002", headers: fmt.Sprintf(login, "1002", "1/1", strings.ReplaceAll(v, `"`, `\"`))}
		all["nonce "+name] = attempt{from: "1002", headers: fmt.Sprintf(login, "1002", strings.ReplaceAll(v, `"`, `\"`), "x")}
	}
	return all
}

const login = "Authorization: Digest username=\"%s\",realm=\"asterisk\",nonce=\"%s\",uri=\"sip:x\",response=\"%s\",algorithm=MD5\r\n"

// Every forgery in every field that a stranger fills, by wire and by a trunk
// that needs no login, while both sensors listen: nobody else is accused or
// cleared, and each true event after a forgery is heard.
func TestForgeriesAccuseNobody(t *testing.T) {
	t.Parallel()
	const strangers = "198.18.0.0/16"
	l := lab.New(t, lab.Options{Append: map[string]string{"pjsip.conf": "[gate]\ntype = endpoint\ncontext = internal\ndisallow = all\nallow = ulaw\n" +
		"[gate-at]\ntype = identify\nendpoint = gate\nmatch = 198.19.0.0/16\n"}})
	w := guardWith(t, l, "log = \""+l.Path("var/log/asterisk/messages")+"\"\n") // the built-in set
	outside, gate := addHost(t, l, "outside", strangers), addHost(t, l, "gate", "198.19.0.0/16")
	pbx := netip.MustParseAddrPort(lab.PBXAddress + ":5060")
	send := func(h *lab.Host, from netip.Addr, times int, request func(at netip.AddrPort, id string) string) {
		t.Helper()
		conn, err := h.ListenUDP(netip.AddrPortFrom(from, 0))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		at := netip.MustParseAddrPort(conn.LocalAddr().String())
		for i := range times {
			if _, err := conn.WriteToUDPAddrPort([]byte(request(at, fmt.Sprintf("%s-%d-", from, i))), pbx); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	n := 0
	markers := map[string]bool{} // who has to be heard
	for name, a := range attempts() {
		h, net := outside, byte(18)
		if a.method == "INVITE" && (a.from == "gate" || strings.HasPrefix(name, "caller ")) {
			h, net = gate, 19
		}
		send(h, netip.AddrFrom4([4]byte{198, net, byte(n), 66}), 3, a.text)
		marker := netip.AddrFrom4([4]byte{198, 18, byte(n), 99})
		markers[marker.String()] = true
		send(outside, marker, 1, attempt{from: "nobody"}.text)
		n++
	}
	if n > 256 {
		t.Fatalf("%d forgeries: more than there are networks", n)
	}
	ours := func(a netip.Addr) bool { return netip.MustParsePrefix("198.18.0.0/15").Contains(a) }
	w.wait("every marker to be heard", 20*time.Second, func() bool {
		list, err := w.client().Scores(t.Context(), "source", 2000)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			delete(markers, s.Key.Value())
		}
		return len(markers) == 0
	})
	list, err := w.client().Scores(t.Context(), "source", 2000)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if !ours(s.Key.Prefix.Addr()) {
			t.Errorf("accused: %s: %+v", s.Key.Value(), s.Scores)
		}
	}
	tampering := 0
	for _, brief := range w.incidents() {
		i, err := w.client().Incident(t.Context(), brief.ID)
		if err != nil {
			t.Fatal(err)
		}
		if i.Source.IsValid() && !ours(i.Source) {
			t.Errorf("incident %d is of %s", i.ID, i.Source)
		}
		for _, e := range i.Evidence {
			if e.Source.IsValid() && !ours(e.Source) || e.Signal == score.SuccessfulAuth || e.Signal == score.SuccessAfterFailures {
				t.Errorf("evidence of incident %d: %+v", i.ID, e)
			}
			if e.Signal == score.Tampering {
				tampering++
			}
		}
	}
	if tampering == 0 {
		t.Error("no tampering is laid at its author's door")
	}
	allowed, err := w.client().AllowList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range allowed {
		if strings.HasPrefix(a.Prefix.String(), victim) {
			t.Errorf("protected: %+v", a)
		}
	}
	s, err := w.client().Status(t.Context())
	if err != nil || s.Health != "ok" {
		t.Errorf("status %+v, %v", s.Checks, err)
	}
	t.Logf("%d forgeries, %d blocks refused, %d incidents", n, s.Counters["tampered_events"], len(w.incidents()))

	for _, c := range [][]string{{"status"}, {"bans"}, {"sources"}, {"accounts"}, {"incidents"}, {"bans", "--json"}, {"sources", "--json"}, {"accounts", "--json"}} {
		out, err := w.tollwarden(append(c, "--socket", w.socket())...)
		if err != nil && c[0] != "status" {
			t.Errorf("%v: %v", c, err)
		}
		if h := harm(out); h != "" {
			t.Errorf("%v: %s", c, h)
		}
	}
	if h := harm(w.log.String()); h != "" {
		t.Errorf("the log: %s", h)
	}
	out, err := w.tollwarden("replay", "--observations", l.Path("var/log/asterisk/messages"), l.Path("var/log/asterisk/security"))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		var o struct{ Source, Kind, Sensor string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			continue // a summary for people
		}
		if a, err := netip.ParseAddr(o.Source); o.Source != "" && o.Source != "127.0.0.1" && (err != nil || !ours(a)) {
			t.Errorf("replayed: %s", line)
		}
	}
}

// chan_sip reads a name from 256 bytes, which is enough to end an event with
// another's address over TCP, from anywhere. What follows gives it away.
func TestWhoEndsAnEventIsFoundByItsRest(t *testing.T) {
	t.Parallel()
	const accused = "203.0.113.99"
	l := lab.New(t, lab.Options{Version: lab.Asterisk16})
	w := guardWith(t, l, "") // the built-in set
	attacker := addHost(t, l, "attacker", guesserAddress)
	conn, err := attacker.ListenUDP(netip.AddrPortFrom(attacker.Source(), 0))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	at := netip.MustParseAddrPort(conn.LocalAddr().String())
	user := "x%0d%0aSessionID%3a%201%0d%0aLocalAddress%3a%20IPV4/TCP/192.0.2.1/1%0d%0aRemoteAddress%3a%20IPV4/TCP/" + accused + "/5%0d%0a"
	for i := range 8 {
		for _, headers := range []string{"", fmt.Sprintf(login, "x", "1", "1")} {
			a := attempt{from: "x", to: user, headers: headers}
			if _, err := conn.WriteToUDPAddrPort([]byte(a.text(at, fmt.Sprint("rest-", i))), netip.MustParseAddrPort(lab.PBXAddress+":5060")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.wait("a ban", 5*time.Second, func() bool { return w.bans() != "" })
	if got := w.bans(); !strings.HasPrefix(got, guesserAddress+"/32") || w.dropped(accused+"/32") {
		t.Errorf("banned: %s; want the attacker alone", got)
	}
	s, err := w.client().Status(t.Context())
	if err != nil || s.Counters["tampered_events"] == 0 {
		t.Errorf("no tampering was counted, %v", err)
	}
}
