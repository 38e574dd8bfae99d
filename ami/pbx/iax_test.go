package pbx

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/places"
)

// iaxPBX is an Asterisk with chan_iax2, as 16 and 22 answer.
type iaxPBX struct {
	peers      []ami.Message
	conf       []string // GetConfig's headers in turn
	noCommand  bool
	registered map[string]bool
	commands   []string
}

func iaxPeer(name, address, port, dynamic string) ami.Message {
	return message("Event", "PeerEntry", "Channeltype", "IAX", "ObjectName", name, "IPaddress", address, "Port", port, "Dynamic", dynamic)
}

func (p *iaxPBX) Do(_ context.Context, a ami.Action) (*ami.Response, error) {
	switch a.Name {
	case "ListCommands":
		return &ami.Response{Fields: message("IAXpeerlist", "List.  (Priv: system,reporting,all)", "GetConfig", "Get.  (Priv: system,config,all)")}, nil
	case "IAXpeerlist":
		r := &ami.Response{Fields: message("EventList", "start")}
		for _, peer := range p.peers {
			if gone, known := p.registered[peer.Get("ObjectName")]; known && !gone {
				peer = iaxPeer(peer.Get("ObjectName"), "(null)", "(null)", "yes")
			}
			r.Events = append(r.Events, peer)
		}
		r.Events = append(r.Events, message("Event", "PeerlistComplete", "EventList", "Complete"))
		return r, nil
	case "GetConfig":
		return &ami.Response{Fields: message(p.conf...)}, nil
	case "Command":
		if p.noCommand {
			return nil, refusal(a, "Permission denied")
		}
		line := ami.Message(a.Fields).Get("Command")
		p.commands = append(p.commands, line)
		if name, ok := strings.CutPrefix(line, "iax2 unregister "); ok {
			p.registered[strings.Trim(name, `"`)] = false
		}
		return &ami.Response{Fields: message("Output", "done")}, nil
	}
	return nil, refusal(a, "Invalid/unknown command")
}

func TestAccountsOfIAX2(t *testing.T) {
	p := &iaxPBX{
		peers: []ami.Message{
			iaxPeer("Front Desk", "198.51.100.10", "55288", "yes"), iaxPeer("2005", "(null)", "(null)", "yes"),
			iaxPeer("branch", "203.0.113.99", "4569", "no"), iaxPeer("v6", "2001:db8::7", "4569", "yes"),
		},
		conf: []string{"Category-000000", "general", "Line-000000-000000", "type=user", "Category-000001", "dialin", "Line-000001-000000", "type=user", "Category-000002", "branch", "Line-000002-000000", "type=friend"},
	}
	m := New(p, Options{})
	accounts, err := m.Accounts(t.Context())
	want := []calls.Account{
		{Name: "Front Desk", Login: true, Unannounced: true},
		{Name: "2005", Login: true, Unannounced: true},
		{Name: "branch", Unannounced: true},
		{Name: "v6", Login: true, Unannounced: true},
		{Name: "dialin", Unannounced: true},
	}
	if err != nil || !slices.Equal(accounts, want) {
		t.Errorf("%v, %v", accounts, err)
	}
	registered := []places.Contact{
		{Account: "Front Desk", Source: netip.MustParseAddr("198.51.100.10"), Port: 55288},
		{Account: "v6", Source: netip.MustParseAddr("2001:db8::7"), Port: 4569},
	}
	for what, list := range map[string]func(context.Context) ([]places.Contact, error){"all": m.Contacts, "unannounced": m.UnannouncedContacts} {
		if got, err := list(t.Context()); err != nil || !slices.Equal(got, registered) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
}

func TestRegistrationsOfIAX2AreRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		account   string
		noCommand bool
		says      string
		fails     string
	}{
		"a name of two words": {"Front Desk", false, "1 registration removed", ""},
		"a plain name":        {"2001", false, "1 registration removed", ""},
		"not registered":      {"2005", false, "0 registrations removed", ""},
		"a fixed address":     {"branch", false, "0 registrations removed; still there, because Asterisk's configuration holds them: host 203.0.113.99 (IAX2)", ""},
		"no right to do it":   {"2001", true, "0 registrations removed", "stays until it expires"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &iaxPBX{noCommand: c.noCommand, registered: map[string]bool{}, peers: []ami.Message{
					iaxPeer("Front Desk", "198.51.100.10", "55288", "yes"), iaxPeer("2001", "198.51.100.10", "55289", "yes"),
					iaxPeer("2005", "(null)", "(null)", "yes"), iaxPeer("branch", "203.0.113.99", "4569", "no"),
				}}
				detail, err := New(p, Options{}).RemoveRegistrations(t.Context(), c.account)
				if detail != c.says || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%q, %v", detail, err)
				}
				if name == "a name of two words" && !slices.Equal(p.commands, []string{`iax2 unregister "Front Desk"`}) {
					t.Errorf("%q", p.commands)
				}
			})
		})
	}
}

// What of iax.conf cannot be rotated is said before anything changes, by check, too.
func TestUnrotatable(t *testing.T) {
	section := func(n int, name string, lines ...string) (out []string) {
		out = append(out, fmt.Sprintf("Category-%06d", n), name)
		for i, l := range lines {
			out = append(out, fmt.Sprintf("Line-%06d-%06d", n, i), l)
		}
		return out
	}
	p := &iaxPBX{conf: slices.Concat(
		section(0, "db", "type=friend", "host=dynamic", "dbsecret=iax/db"),
		section(1, "key", "type=friend", "host=dynamic", "inkeys=office"),
		section(2, "open", "type=peer", "host=dynamic"),
		section(3, "fixed", "type=peer", "host=203.0.113.9", "secret=x"),
		[]string{"Category-000005", "desks", "IsTemplate-000005", "1", "Line-000005-000000", "secret=x"},
		[]string{"Category-000006", "heir", "Templates-000006", "phones,desks", "Line-000006-000000", "type=friend", "Line-000006-000001", "host=dynamic", "Line-000006-000002", "secret=x"},
		section(7, "two", "type=friend", "host=dynamic", "secret=x", "secret=y"),
		section(4, "fine", "type=friend", "host=dynamic", "secret=x"),
	)}
	for _, name := range []string{"db", "key", "open", "fixed", "fine", "heir", "two", "realtime"} {
		p.peers = append(p.peers, iaxPeer(name, "(null)", "(null)", "yes"))
	}
	list, err := New(p, Options{ConfigDir: "/nonexistent"}).Unrotatable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	says := map[string]string{
		"db": "dbsecret = iax/db", "key": "inkeys = office", "open": "anybody may use it", "fixed": "change it at both ends",
		"heir": "from the template [desks]", "two": "several secrets", "fine": "is it the folder of this Asterisk?", "realtime": "no section in iax.conf",
	}
	for _, u := range list {
		if !strings.Contains(u.Reason, says[u.Account]) {
			t.Errorf("%s: %s, want %s", u.Account, u.Reason, says[u.Account])
		}
		delete(says, u.Account)
	}
	if len(says) > 0 {
		t.Errorf("missing: %v", says)
	}
}

// Lines of `iax2 show users` on Asterisk 16 and 22.
func TestShownSecrets(t *testing.T) {
	for line, c := range map[string]struct{ name, secret string }{
		"Front Desk       lab-iax-fd            000000000000002  internal         No     Host ": {"Front Desk", "lab-iax-fd"},
		"büro/1          lab-iax-bu            000000000000002  internal         No     Host ":  {"büro/1", "lab-iax-bu"},
		"2001             twentycharactersfull  000000000000002  internal         No     Host ": {"2001", "twentycharactersfull"},
		"Username         Secret                Authen           Def.Context      A/C    Codec": {"2001", ""},
		"20011            lab-iax-2001          000000000000002  internal         No     Host ": {"2001", ""},
		"an-account-of-m  lab-iax-long          000000000000002  internal         No     Host ": {"an-account-of-more-than-15", "lab-iax-long"},
	} {
		if secret, ok := shownIAXUser(line, c.name); secret != c.secret || ok != (c.secret != "") {
			t.Errorf("%q: %q, %v", line, secret, ok)
		}
	}
}

// The channels of a name that no pattern can hold, and those beside a call for help, are
// ended by their exact names.
func TestHangupByExactName(t *testing.T) {
	for account, tc := range map[string]struct{ up, spared, want []string }{
		"o'brien": {
			[]string{
				"PJSIP/o'brien-0000002a", "PJSIP/o'brien-2-0000002b", "SIP/o'brien-0000002c", "IAX2/o'brien-12345", "PJSIP/O'Brien-0000002d",
				"Local/o'brien-0000002e", "PJSIP/o'brien-0000002f<ZOMBIE>",
			},
			nil,
			[]string{"PJSIP/o'brien-0000002a", "SIP/o'brien-0000002c", "IAX2/o'brien-12345"},
		},
		"1002": {
			[]string{"PJSIP/1002-00000001", "PJSIP/1002-00000002", "PJSIP/1003-00000003"},
			[]string{"PJSIP/1002-00000002"},
			[]string{"PJSIP/1002-00000001"},
		},
	} {
		var ended []string
		_, err := New(script(func(a ami.Action) (*ami.Response, error) {
			r := &ami.Response{}
			switch a.Name {
			case "Hangup":
				ended = append(ended, ami.Message(a.Fields).Get("Channel"))
				tc.up = slices.DeleteFunc(tc.up, func(name string) bool { return name == ended[len(ended)-1] })
			case "CoreShowChannels":
				for _, name := range tc.up {
					r.Events = append(r.Events, message("Event", "CoreShowChannel", "Channel", name, "Uniqueid", "1.1", "Linkedid", "1.1"))
				}
			}
			return r, nil
		}), Options{VerifyWithin: time.Second}).Hangup(t.Context(), account, func() []string { return tc.spared })
		if err != nil || !slices.Equal(ended, tc.want) {
			t.Errorf("%s: %q, %v", account, ended, err)
		}
	}
}

// Names of more than a word are an argument of a CLI command in quotes
// (main/cli.c parse_args), and only what cannot be one is refused.
func TestAccountNames(t *testing.T) {
	for name, want := range map[string]string{
		"Front Desk": `"Front Desk"`, "o'brien": "o'brien", "büro": "büro", "a/b": "a/b", "x@y": "x@y", "a,b": "a,b", "a;b": "a;b", "a[b]": "a[b]",
		"a#b": "a#b", "a%b": "a%b", `a"b`: `"a\"b"`, `back\slash`: `"back\\slash"`, "-dash": "-dash", "dot.": "dot.", "😀": "😀", "all": "all",
		strings.Repeat("9", 200): strings.Repeat("9", 200),
	} {
		if err := checkAccount(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got := cliArgument(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"", " a", "a ", "a\r\nAction: Originate", "a\x00", "a\xff", "a\u2028b", strings.Repeat("9", 256)} {
		if checkAccount(name) == nil {
			t.Errorf("%q accepted", name)
		}
	}
}
