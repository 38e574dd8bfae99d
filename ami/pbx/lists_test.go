package pbx

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
)

// questions are all that is answered by lists, with the actions that they take.
var questions = map[string]struct {
	actions []string
	ask     func(context.Context, *Manager) (int, error)
}{
	"Channels": {[]string{"CoreShowChannels"}, func(ctx context.Context, m *Manager) (int, error) {
		l, err := m.Channels(ctx)
		return len(l), err
	}},
	"Contacts": {[]string{"PJSIPShowContacts", "SIPpeers"}, func(ctx context.Context, m *Manager) (int, error) {
		l, err := m.Contacts(ctx)
		return len(l), err
	}},
	"Accounts": {[]string{"PJSIPShowEndpoints", "SIPpeers"}, func(ctx context.Context, m *Manager) (int, error) {
		l, err := m.Accounts(ctx)
		return len(l), err
	}},
	"Carriers": {[]string{"PJSIPShowEndpoints", "PJSIPShowEndpoint", "PJSIPShowRegistrationsOutbound", "PJSIPShowAors", "SIPpeers", "SIPshowregistry", "IAXpeerlist", "IAXregistry", "GetConfig"}, func(ctx context.Context, m *Manager) (int, error) {
		l, err := m.Carriers(ctx)
		return len(l), err
	}},
	"Hangup": {[]string{"Hangup"}, func(ctx context.Context, m *Manager) (int, error) {
		l, err := m.Hangup(ctx, "1002", nil)
		return len(l), err
	}},
	"find": {[]string{"PJSIPShowEndpoint", "SIPshowpeer"}, func(ctx context.Context, m *Manager) (int, error) {
		a, err := m.rotations.asterisk.find(ctx, "1002")
		if err != nil {
			return 0, err
		}
		return len(a.technologies()), nil
	}},
}

const (
	listStart = "Response: Success\r\nActionID: %s\r\nEventList: start\r\nMessage: will follow\r\n\r\n"
	listEnd   = "Event: XComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: 1\r\n\r\n"
)

// answers are those of an Asterisk that has one of everything.
var answers = map[string]string{
	"ListCommands":                   "Response: Success\r\nActionID: %s\r\nPJSIPShowEndpoint: Shows.  (Priv: system,all)\r\nSIPshowpeer: Shows.  (Priv: system,all)\r\nPJSIPShowAors: Lists.  (Priv: system,all)\r\nIAXpeerlist: Lists.  (Priv: system,all)\r\nIAXregistry: Lists.  (Priv: system,all)\r\n\r\n",
	"CoreShowChannels":               listStart + "Event: CoreShowChannel\r\nActionID: %s\r\nChannel: PJSIP/1003-00000001\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\n" + listEnd,
	"PJSIPShowContacts":              listStart + "Event: ContactList\r\nActionID: %s\r\nObjectName: 1002;@a\r\nEndpoint: 1002\r\nViaAddr: 192.0.2.9\r\nViaPort: 5060\r\n\r\n" + listEnd,
	"PJSIPShowEndpoints":             listStart + "Event: EndpointList\r\nActionID: %s\r\nObjectName: branch\r\nAuths: \r\n\r\n" + listEnd,
	"PJSIPShowEndpoint":              listStart + "Event: IdentifyDetail\r\nActionID: %s\r\nObjectName: branch\r\nMatch: 203.0.113.96/28\r\n\r\n" + listEnd,
	"PJSIPShowRegistrationsOutbound": listStart + "Event: OutboundRegistrationDetail\r\nActionID: %s\r\nObjectName: trunk\r\nServerUri: sip:203.0.113.90\r\nOutboundProxy: \r\n\r\n" + listEnd,
	"SIPpeers":                       listStart + "Event: PeerEntry\r\nActionID: %s\r\nObjectName: carrier\r\nDynamic: no\r\nIPaddress: 203.0.113.80\r\nIPport: 5060\r\n\r\n" + listEnd,
	"SIPshowregistry":                listStart + "Event: RegistryEntry\r\nActionID: %s\r\nHost: 203.0.113.91\r\nUsername: us\r\n\r\n" + listEnd,
	"PJSIPShowAors":                  listStart + "Event: AorList\r\nActionID: %s\r\nObjectName: peer\r\nMaxContacts: 0\r\nContacts: peer/sip:203.0.113.92\r\nOutboundProxy: \r\n\r\n" + listEnd,
	"IAXpeerlist":                    strings.ReplaceAll(listStart+"Event: PeerEntry\r\nActionID: %s\r\nObjectName: iax\r\nDynamic: no\r\nIPaddress: 203.0.113.93\r\n\r\n"+listEnd, "XComplete", "PeerlistComplete"),
	"IAXregistry":                    listStart + "Event: RegistryEntry\r\nActionID: %s\r\nHost: 203.0.113.94\r\nUsername: us\r\n\r\n" + listEnd,
	"SIPshowpeer":                    "Response: Error\r\nActionID: %s\r\nMessage: Peer 1002 not found.\r\n\r\n",
	"GetConfig":                      "Response: Success\r\nActionID: %s\r\nCategory-000000: res_pjsip_endpoint_identifier_ip\r\nLine-000000-000000: identify=realtime,ps_endpoint_id_ips\r\n\r\n",
	"Hangup":                         listStart + listEnd,
}

// wire is the far end of a connection that answers from a table. An answer
// without its end is followed by nothing; "cut" ends the connection after it.
func wire(conn net.Conn, bad map[string]string) {
	_, _ = io.WriteString(conn, "Asterisk Call Manager/11.0.0\r\n")
	in := bufio.NewReader(conn)
	var action, id string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		if name, ok := strings.CutPrefix(line, "Action: "); ok {
			action = name
		}
		if found, ok := strings.CutPrefix(line, "ActionID: "); ok {
			id = found
		}
		if line != "" {
			continue
		}
		answer, ok := bad[action]
		if !ok {
			answer = answers[action]
		}
		answer, cut := strings.CutSuffix(answer, "cut")
		_, _ = io.WriteString(conn, strings.ReplaceAll(answer, "%s", id))
		if cut {
			_ = conn.Close()
			return
		}
	}
}

// over asks one question of such an Asterisk.
func over(t *testing.T, ask func(context.Context, *Manager) (int, error), bad map[string]string) (n int, err error) {
	near, far := net.Pipe()
	go wire(far, bad)
	c, err := ami.NewClient(t.Context(), near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return ask(ctx, New(c, Options{}))
}

// Whatever breaks an answer, it never looks like an empty or a shorter list.
func TestBrokenListsAreErrors(t *testing.T) {
	half := func(action string) string {
		whole := strings.TrimSuffix(answers[action], listEnd)
		if whole == answers[action] { // one block: half of it
			return whole[:len(whole)-len("\r\n")]
		}
		return whole
	}
	var denied *PermissionError
	var refused *ami.Error
	for name, c := range map[string]struct {
		answer func(action string) string
		want   func(error) bool
		lists  bool // only answers that are lists can break so
	}{
		"permission denied": {
			func(string) string { return "Response: Error\r\nActionID: %s\r\nMessage: Permission denied\r\n\r\n" },
			func(err error) bool { return errors.As(err, &denied) }, false,
		},
		"another refusal": {
			func(string) string { return "Response: Error\r\nActionID: %s\r\nMessage: Out of memory\r\n\r\n" },
			func(err error) bool { return errors.As(err, &refused) }, false,
		},
		"refused half way": {
			func(action string) string {
				return half(action) + "Response: Error\r\nActionID: %s\r\nMessage: Unable to format endpoint\r\n\r\n"
			},
			func(err error) bool { return errors.As(err, &refused) }, true,
		},
		"cancelled": {
			func(action string) string {
				return half(action) + strings.Replace(listEnd, "Complete\r\nList", "cancelled\r\nList", 1)
			},
			func(err error) bool { return errors.Is(err, ami.ErrCancelled) }, true,
		},
		"connection lost": {
			func(action string) string { return half(action) + "cut" },
			func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }, false,
		},
		"no end": {half, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, false},
	} {
		for question, q := range questions {
			if n, err := inBubble(t, q.ask, nil); err != nil || n == 0 && question != "Hangup" {
				t.Fatalf("%s of a sound Asterisk: %d, %v", question, n, err)
			}
			for _, action := range q.actions {
				if c.lists && !strings.HasSuffix(answers[action], listEnd) {
					continue
				}
				n, err := inBubble(t, q.ask, map[string]string{action: c.answer(action)})
				if err == nil || n != 0 || !c.want(err) {
					t.Errorf("%s, %s %s: %d and %v", question, action, name, n, err)
				}
			}
		}
	}
}

func inBubble(t *testing.T, ask func(context.Context, *Manager) (int, error), bad map[string]string) (n int, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { n, err = over(t, ask, bad) })
	return n, err
}

// A user without the write classes gets an error that says so, on a PBX that checks them.
func TestListsWithoutPrivileges(t *testing.T) {
	p, err := amitest.Start(amitest.Options{Users: []amitest.User{{Name: "low", Secret: "x", Write: "originate"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.AddAccount(amitest.Account{Name: "1002", Secret: "x"}); err != nil {
		t.Fatal(err)
	}
	p.AddChannel(amitest.Channel{Account: "1002", Exten: "0044", State: 6})
	d := ami.Dialer{Address: p.Address(), Username: "low", Secret: "x", Events: "off"}
	c, err := d.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := New(c, Options{})
	for name, q := range questions {
		var denied *PermissionError
		if n, err := q.ask(t.Context(), m); n != 0 || !errors.As(err, &denied) || len(denied.Classes) == 0 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}
