package pbx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// script answers actions from a function.
type script func(a ami.Action) (*ami.Response, error)

func (s script) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s(a)
}

// message makes a list item from names and values in turn.
func message(headers ...string) ami.Message {
	var m ami.Message
	for i := 0; i < len(headers); i += 2 {
		m = append(m, ami.Field{Name: headers[i], Value: headers[i+1]})
	}
	return m
}

func refusal(a ami.Action, message string) error {
	return &ami.Error{Action: a.Name, Message: message}
}

// switchboard has channels that end a while after they are hung up, and calls
// that come in meanwhile.
type switchboard struct {
	channels map[string]int // name to rounds it still takes to end, once hung up
	dying    map[string]bool
	incoming []string // one joins after every Hangup
	blind    bool     // CoreShowChannels is not permitted
	patterns []string
}

func (s *switchboard) Do(_ context.Context, a ami.Action) (*ami.Response, error) {
	r := &ami.Response{}
	switch a.Name {
	case "Hangup":
		pattern := ami.Message(a.Fields).Get("Channel")
		s.patterns = append(s.patterns, pattern)
		for name := range s.channels {
			if strings.HasPrefix(name, "PJSIP/1002-") || strings.HasPrefix(name, "SIP/1002-") {
				r.Events = append(r.Events, message("Event", "ChannelHungup", "Channel", name))
				s.dying[name] = true
			}
		}
		if len(s.incoming) > 0 {
			s.channels[s.incoming[0]] = 1
			s.incoming = s.incoming[1:]
		}
	case "CoreShowChannels":
		if s.blind {
			return nil, refusal(a, "Permission denied")
		}
		for name := range s.channels {
			r.Events = append(r.Events, message("Event", "CoreShowChannel", "Channel", name, "Uniqueid", "1.1", "Linkedid", "1.1"))
		}
	}
	for name := range s.dying {
		if s.channels[name]--; s.channels[name] <= 0 {
			delete(s.channels, name)
			delete(s.dying, name)
		}
	}
	return r, nil
}

func TestHangupRepeatsUntilNothingIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		board switchboard
		want  []string
	}{
		"no channel":       {switchboard{channels: map[string]int{"PJSIP/1001-00000001": 1}}, nil},
		"both drivers":     {switchboard{channels: map[string]int{"PJSIP/1002-00000001": 1, "SIP/1002-00000002": 1}}, []string{"PJSIP/1002-00000001", "SIP/1002-00000002"}},
		"slow to end":      {switchboard{channels: map[string]int{"PJSIP/1002-00000001": 7}}, []string{"PJSIP/1002-00000001"}},
		"calls slip in":    {switchboard{channels: map[string]int{"PJSIP/1002-00000001": 1}, incoming: []string{"PJSIP/1002-00000002", "PJSIP/1002-00000003"}}, []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002", "PJSIP/1002-00000003"}},
		"list not allowed": {switchboard{channels: map[string]int{"PJSIP/1002-00000001": 3}, blind: true}, []string{"PJSIP/1002-00000001"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.board.dying = map[string]bool{}
				got, err := New(&c.board, Options{}).Hangup(t.Context(), "1002", nil)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, c.want) {
					t.Errorf("ended %q, %v; want %q", got, err, c.want)
				}
				for left := range c.board.channels {
					if strings.Contains(left, "/1002-") {
						t.Errorf("%s is left", left)
					}
				}
				if p := c.board.patterns[0]; p != "/^((PJSIP|SIP)/1002-[0-9a-f]{8}|IAX2/1002-[0-9]{1,5})$/" {
					t.Errorf("pattern %s", p)
				}
			})
		})
	}
}

func TestHangupGivesUpAndTellsWhatItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &switchboard{channels: map[string]int{"PJSIP/1002-00000001": 1 << 30}, dying: map[string]bool{}}
		start := time.Now()
		got, err := New(b, Options{Rounds: 5}).Hangup(t.Context(), "1002", nil)
		if err == nil || len(got) != 1 || len(b.patterns) != 5 {
			t.Errorf("%q, %v after %d rounds", got, err, len(b.patterns))
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if got, err := New(b, Options{Rounds: 1000}).Hangup(ctx, "1002", nil); !errors.Is(err, context.DeadlineExceeded) || len(got) != 1 {
			t.Errorf("%q, %v", got, err)
		}
	})
	lost := errors.New("connection lost")
	got, err := New(script(func(a ami.Action) (*ami.Response, error) {
		if a.Name == "Hangup" {
			return &ami.Response{Events: []ami.Message{message("Event", "ChannelHungup", "Channel", "SIP/1002-00000001")}}, nil
		}
		return nil, lost
	}), Options{}).Hangup(t.Context(), "1002", nil)
	if !errors.Is(err, lost) || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	_, err = New(script(func(a ami.Action) (*ami.Response, error) { t.Error("sent"); return nil, nil }), Options{}).Hangup(t.Context(), "1002\r\n", nil)
	if !errors.Is(err, ErrUnsafeName) {
		t.Error(err)
	}
}

func TestChannels(t *testing.T) {
	item := func(name string, more ...string) ami.Message {
		return message(append([]string{"Event", "CoreShowChannel", "Channel", name, "Uniqueid", "7.1", "Linkedid", "7.0"}, more...)...)
	}
	m := New(script(func(ami.Action) (*ami.Response, error) {
		return &ami.Response{Events: []ami.Message{
			item("PJSIP/front-desk-0000002a", "ChannelStateDesc", "Up", "Exten", "0044", "Application", "AppDial", "Duration", "101:01:02"),
			message("Event", "CoreShowChannel", "Channel", "SIP/1002-00000003", "Uniqueid", "7.0", "Linkedid", "7.0", "ChannelStateDesc", "Ringing"),
			item("SIP/1002-00000002", "ChannelStateDesc", "Ring"),
			item("Local/5@x-00000001;1"), item("SIP/short-01"), item("SIP/1002-0000000g"),
			item("SIP/1002-00000001", "Channel", "SIP/1001-00000001"), // a forged second name
			message("Event", "Other"),
		}}, nil
	}), Options{})
	synctest.Test(t, func(t *testing.T) {
		got, err := m.Channels(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		began := now.Add(-101*time.Hour - time.Minute - 2*time.Second)
		want := []calls.Channel{
			{Name: "PJSIP/front-desk-0000002a", Account: "front-desk", Linkedid: "7.0", Dialled: "0044", Since: began, Called: true, Answered: began},
			{Name: "SIP/1002-00000003", Account: "1002", Linkedid: "7.0", Since: now, Calling: true},
			{Name: "SIP/1002-00000002", Account: "1002", Linkedid: "7.0", Since: now, Calling: true},
			{Name: "Local/5@x-00000001;1", Linkedid: "7.0", Since: now},
			{Name: "SIP/short-01", Linkedid: "7.0", Since: now},
			{Name: "SIP/1002-0000000g", Linkedid: "7.0", Since: now},
		}
		if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Error(d)
		}
	})
}

// registrar has contacts that may come back when they are deleted.
type registrar struct {
	contacts  []string // ObjectNames; Endpoint is what stands before ';'
	comeBack  int      // how many deletions are followed by a new registration
	deleted   []string
	refuses   bool // DBDel fails
	destroyed []string
}

func (s *registrar) Do(_ context.Context, a ami.Action) (*ami.Response, error) {
	get := ami.Message(a.Fields).Get
	switch a.Name {
	case "PJSIPShowEndpoint":
		return &ami.Response{Events: []ami.Message{
			message("Event", "EndpointDetail", "Auth", ""),
			message("Event", "AorDetail", "ObjectName", "desk"),
			message("Event", "ContactStatusDetail", "ID", "desk@@77", "URI", "sip:door@192.0.2.7"),
		}}, nil
	case "PJSIPShowContacts":
		if len(s.contacts) == 0 {
			return nil, refusal(a, "No Contacts found")
		}
		r := &ami.Response{}
		for _, c := range s.contacts {
			owner, _, _ := strings.Cut(c, ";")
			r.Events = append(r.Events, message("Event", "ContactList", "ObjectName", c, "Endpoint", owner, "ViaAddr", "192.0.2.9", "ViaPort", "5060"))
		}
		return r, nil
	case "DBDel":
		object := strings.TrimPrefix(get("Key"), "contact/")
		i := slices.Index(s.contacts, object)
		if i < 0 || get("Family") != "registrar" || s.refuses {
			return nil, refusal(a, "Database entry could not be deleted")
		}
		s.deleted = append(s.deleted, object)
		if s.comeBack > 0 {
			s.comeBack--
			s.contacts[i] = fmt.Sprintf("desk;@again%d", s.comeBack)
			return &ami.Response{}, nil
		}
		s.contacts = slices.Delete(s.contacts, i, i+1)
		return &ami.Response{}, nil
	case "GetConfig":
		return &ami.Response{Fields: message("Response", "Success", "Category-000000", "res_pjsip", "Line-000000-000000", "contact=realtime,ps_contacts")}, nil
	case "Command":
		s.destroyed = append(s.destroyed, get("Command"))
		s.contacts = slices.DeleteFunc(s.contacts, func(c string) bool { return strings.HasPrefix(c, "desk;") })
		return &ami.Response{}, nil
	}
	return nil, refusal(a, "Invalid/unknown command: "+a.Name)
}

func TestExpireDeletesTheAccountsContactsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// desk is the AOR of 1002; 1002;@b was registered under its own name.
		s := &registrar{contacts: []string{"desk;@a", "1002;@b", "1001;@c"}, comeBack: 2}
		got, err := New(s, Options{}).expire(t.Context(), "1002")
		if err != nil || got.removed != 4 || !slices.Equal(got.permanent, []string{"sip:door@192.0.2.7"}) {
			t.Errorf("%+v, %v", got, err)
		}
		if !slices.Equal(s.contacts, []string{"1001;@c"}) {
			t.Errorf("left: %q", s.contacts)
		}
		if want := "4 registrations removed; still there, because Asterisk's configuration holds them: sip:door@192.0.2.7"; got.String() != want {
			t.Errorf("described as %q, want %q", got, want)
		}
		if got, err := New(s, Options{}).expire(t.Context(), "1002"); got.removed != 0 || err != nil {
			t.Errorf("again: %+v, %v", got, err)
		}
	})
}

func TestExpireGivesUpOnAPhoneThatKeepsComingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &registrar{contacts: []string{"desk;@a"}, comeBack: 1 << 30}
		got, err := New(s, Options{Rounds: 6}).expire(t.Context(), "1002")
		if !errors.Is(err, errComingBack) || got.removed != 6 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestExpireRealtimeContacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &registrar{contacts: []string{"desk;@a", "1001;@c"}, refuses: true}
		if got, err := New(s, Options{}).expire(t.Context(), "1002"); got.removed != 1 || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
		if want := []string{"realtime destroy ps_contacts id desk^3B@a"}; !slices.Equal(s.destroyed, want) {
			t.Errorf("commands %q", s.destroyed)
		}
	})
}

func TestContactsReadTheAddressTheRegisterCameFrom(t *testing.T) {
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		switch a.Name {
		case "PJSIPShowContacts":
			item := func(object, addr, port string, more ...string) ami.Message {
				return message(append([]string{"Event", "ContactList", "ObjectName", object, "Endpoint", "1002", "ViaAddr", addr, "ViaPort", port}, more...)...)
			}
			return &ami.Response{Events: []ami.Message{
				item("desk;@a", "203.0.113.66", "40000", "Uri", "sip:123@1.1.1.1", "UserAgent", "friendly-scanner", "CallId", "x@y", "ExpirationTime", "1795321863"),
				item("desk;@b", "2001:db8::7", "5060"),
				item("desk^3B@c", "", ""),
				item("desk;@d", "192.0.2.1", "1", "ViaAddr", "8.8.8.8"), // a forged second address
			}}, nil
		case "SIPpeers":
			peer := func(name, dynamic, ip string) ami.Message {
				return message("Event", "PeerEntry", "ObjectName", name, "Dynamic", dynamic, "IPaddress", ip, "IPport", "5061")
			}
			return &ami.Response{Events: []ami.Message{peer("1003", "yes", "192.0.2.3"), peer("1004", "yes", "-none-"), peer("trunk", "no", "192.0.2.99")}}, nil
		case "SIPshowpeer":
			return &ami.Response{Fields: message("Dynamic", "Y", "Address-IP", "192.0.2.3", "Address-Port", "5061", "SIP-Useragent", "desk phone", "Reg-Contact", "sip:1003@192.0.2.3", "RegExpire", "299 seconds")}, nil
		}
		return nil, refusal(a, "Invalid/unknown command: "+a.Name)
	}), Options{})
	got, err := m.Contacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []places.Contact{
		{Account: "1002", Source: netip.MustParseAddr("203.0.113.66"), Port: 40000, Agent: "friendly-scanner", URI: "sip:123@1.1.1.1"},
		{Account: "1002", Source: netip.MustParseAddr("2001:db8::7"), Port: 5060},
		{Account: "1002"},
		{Account: "1003", Source: netip.MustParseAddr("192.0.2.3"), Port: 5061, Agent: "desk phone"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("contacts %+v\nwant %+v", got, want)
	}
}

func TestUnregisterAChanSIPPeer(t *testing.T) {
	sipPeer := func(dynamic, ip string) *ami.Response {
		return &ami.Response{Fields: message("Dynamic", dynamic, "Address-IP", ip, "Address-Port", "5060")}
	}
	for name, c := range map[string]struct {
		dynamic string
		ip      string
		deny    bool
		removed int
		fixed   int
	}{
		"registered":     {"Y", "192.0.2.3", false, 1, 0},
		"not registered": {"Y", "(null)", true, 0, 0},
		"fixed address":  {"N", "192.0.2.99", true, 0, 1},
		"not permitted":  {"Y", "192.0.2.3", true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ip := c.ip
				got, err := New(script(func(a ami.Action) (*ami.Response, error) {
					switch {
					case a.Name == "SIPshowpeer":
						return sipPeer(c.dynamic, ip), nil
					case a.Name == "Command" && c.deny:
						return nil, refusal(a, "Permission denied")
					case a.Name == "Command":
						if line := ami.Message(a.Fields).Get("Command"); line != "sip unregister 1002" {
							t.Errorf("command %q", line)
						}
						ip = "(null)"
						return &ami.Response{}, nil
					}
					return nil, refusal(a, "Invalid/unknown command: "+a.Name)
				}), Options{}).expire(t.Context(), "1002")
				if got.removed != c.removed || len(got.permanent) != c.fixed {
					t.Errorf("%+v, %v", got, err)
				}
				var denied *PermissionError
				if errors.As(err, &denied) != (name == "not permitted") || denied != nil && !slices.Equal(denied.Classes, []string{"command"}) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// An action's answer in ListCommands, as Asterisk 16 and 22 print it.
func commands(lines ...string) script {
	return func(ami.Action) (*ami.Response, error) {
		r := &ami.Response{Fields: message("Response", "Success", "Ping", "Keepalive command.  (Priv: <none>)")}
		for _, l := range lines {
			name, priv, _ := strings.Cut(l, " ")
			r.Fields = append(r.Fields, ami.Field{Name: name, Value: "Does something.  (Priv: " + priv + ",all)"})
		}
		return r, nil
	}
}

// stored is the same of an Asterisk with its accounts in a database.
func stored(of script) script {
	return func(a ami.Action) (*ami.Response, error) {
		if a.Name == "GetConfig" {
			return &ami.Response{Fields: message("Category-000000", "res_pjsip", "Line-000000-000000", "endpoint=realtime,ps_endpoints",
				"Line-000000-000001", "auth=realtime,ps_auths", "Line-000000-000002", "contact=realtime,ps_contacts")}, nil
		}
		return of(a)
	}
}

func TestPrivileges(t *testing.T) {
	for name, c := range map[string]struct {
		user    script
		options Options
		lacks   []string // step and action
	}{
		"call alone": {
			commands("Hangup system,call", "Redirect call"),
			Options{},
			[]string{
				"hangup CoreShowChannels",
				"rotate GetConfig", "rotate PJSIPShowEndpoint", "rotate Reload", "rotate SIPshowpeer", "rotate UpdateConfig",
				"remove-registrations Command", "remove-registrations DBDel", "remove-registrations PJSIPShowContacts", "remove-registrations PJSIPShowEndpoint", "remove-registrations SIPshowpeer",
				"lock DBDel", "lock DBPut", "lock DialplanExtensionAdd", "lock GetConfig", "lock PJSIPShowEndpoint", "lock Reload", "lock SIPshowpeer", "lock ShowDialPlan", "lock UpdateConfig",
				"restrict GetConfig", "restrict PJSIPShowEndpoint", "restrict Reload", "restrict SIPshowpeer",
				"limit-costs CoreShowChannels",
				"resync CoreShowChannels", "resync DBGetTree", "resync GetConfig", "resync PJSIPShowAors", "resync PJSIPShowContacts", "resync PJSIPShowEndpoints", "resync PJSIPShowRegistrationsOutbound", "resync SIPpeers", "resync SIPshowpeer", "resync SIPshowregistry",
				"ports CoreStatus", "ports GetConfig",
			},
		},
		"system without config": {
			commands("Hangup system,call", "DBDel system", "PJSIPShowEndpoint system", "PJSIPShowContacts system", "CoreShowChannels system,reporting", "GetConfig system,config", "Reload system,config"),
			Options{},
			[]string{"rotate UpdateConfig", "lock ShowDialPlan", "lock UpdateConfig"},
		},
		"system without config, files edited directly": {
			commands("DBDel system", "PJSIPShowEndpoint system"), Options{DirectEdit: true}, []string{"lock ShowDialPlan"},
		},
		"chan_sip without command": {
			commands("SIPshowpeer system,reporting", "DBDel system", "UpdateConfig config"), Options{}, []string{"remove-registrations Command"},
		},
		"hook": {
			commands("DBDel system", "PJSIPShowEndpoint system"), Options{Hook: Hook{Command: []string{"/x"}}}, []string{"lock ShowDialPlan", "lock UpdateConfig"},
		},
		"realtime": {
			commands("DBDel system", "PJSIPShowEndpoint system"), Options{Method: PJSIPRealtime}, []string{"rotate Command", "lock ShowDialPlan", "lock UpdateConfig"},
		},
		"realtime that sorcery.conf tells of": {
			stored(commands("DBDel system", "PJSIPShowEndpoint system", "UpdateConfig config")),
			Options{},
			[]string{"rotate Command", "remove-registrations Command", "lock Command"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(c.user, c.options)
			p, err := m.Privileges(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range p.Lacks {
				got = append(got, string(l.Step)+" "+l.Action)
				if len(l.Classes) == 0 || l.Classes[0] == "all" {
					t.Errorf("%v names no class", l)
				}
			}
			if d := cmp.Diff(c.lacks, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestStanza(t *testing.T) {
	for _, c := range []struct {
		on    []Technology
		steps []incident.StepKind
		want  string
	}{
		{[]Technology{PJSIP}, []incident.StepKind{incident.StepHangup}, "call,reporting"},
		{[]Technology{PJSIP}, []incident.StepKind{incident.StepHangup, incident.StepRemoveRegistrations, StepResync}, "system"},
		{[]Technology{PJSIP}, []incident.StepKind{incident.StepRotate}, "config,system"},
		{[]Technology{ChanSIP}, []incident.StepKind{incident.StepRotate}, "config,reporting"},
		{[]Technology{ChanSIP}, []incident.StepKind{incident.StepRemoveRegistrations}, "command,reporting"},
		{[]Technology{PJSIP, ChanSIP}, []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, StepResync}, "command,config,system"},
	} {
		var listed []string // what tells that the driver is there
		for _, on := range c.on {
			listed = append(listed, map[Technology]string{PJSIP: "PJSIPShowEndpoint system", ChanSIP: "SIPshowpeer system"}[on])
		}
		p, err := New(commands(listed...), Options{}).Privileges(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Write(c.steps...), ","); got != c.want {
			t.Errorf("%v %v: write = %s, want %s", c.on, c.steps, got, c.want)
		}
	}
	for from, want := range map[string]string{"127.0.0.1": "127.0.0.1/32", "::ffff:10.0.0.5": "10.0.0.5/32", "2001:db8::5": "2001:db8::5/128", "fe80::5%eth0": "fe80::5/128"} {
		got := Stanza("tollwarden", "x", netip.MustParseAddr(from), []string{"config", "system"})
		if !strings.Contains(got, "\npermit = "+want+"\n") || !strings.Contains(got, "\nwrite = config,system\n") {
			t.Errorf("from %s:\n%s", from, got)
		}
	}
}

func TestReadSorcery(t *testing.T) {
	conf := func(vars ...string) config {
		c := category{name: "res_pjsip"}
		for _, v := range vars {
			name, value, _ := strings.Cut(v, "=")
			c.vars = append(c.vars, ami.Field{Name: name, Value: value})
		}
		return config{{name: "general"}, c}
	}
	for name, c := range map[string]struct {
		conf config
		want sorcery
	}{
		"nothing":  {conf(), sorcery{authFiles: []string{"pjsip.conf"}, endpointFiles: []string{"pjsip.conf"}}},
		"realtime": {conf("auth=realtime,ps_auths", "contact=realtime,ps_contacts"), sorcery{authFamily: "ps_auths", contactFamily: "ps_contacts", endpointFiles: []string{"pjsip.conf"}}},
		"both":     {conf("auth=config,pjsip.conf,criteria=type=auth", "auth=realtime,ps_auths"), sorcery{authFiles: []string{"pjsip.conf"}, authFamily: "ps_auths", endpointFiles: []string{"pjsip.conf"}}},
		"cached":   {conf("auth/cache=memory_cache,maximum_objects=5,name=mine", "auth=memory_cache", "auth=realtime,a"), sorcery{authFamily: "a", authCaches: []string{"mine", "res_pjsip/auth"}, endpointFiles: []string{"pjsip.conf"}}},
		"others":   {conf("endpoint=realtime,ps_endpoints", "endpoint/cache=memory_cache"), sorcery{authFiles: []string{"pjsip.conf"}, endpointFamily: "ps_endpoints", endpointCaches: []string{"res_pjsip/endpoint"}}},
		"transports": {
			conf("transport=config,ports.conf,criteria=type=transport", "transport=realtime,ps_transports"),
			sorcery{authFiles: []string{"pjsip.conf"}, endpointFiles: []string{"pjsip.conf"}, transportFiles: []string{"ports.conf"}, transportFamily: "ps_transports"},
		},
	} {
		if c.want.transportFiles == nil {
			c.want.transportFiles = []string{"pjsip.conf"}
		}
		if got := readSorcery(c.conf); !cmp.Equal(c.want, got, cmp.AllowUnexported(sorcery{})) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	for says, o := range map[string]Options{
		"secret length 11":          {SecretLength: 11},
		"secret length 81":          {SecretLength: 81},
		`rotation method "by hand"`: {Method: "by hand"},
		"needs a hook command":      {Method: Exec},
		"realtime family":           {RealtimeFamily: "a b"},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestHowSureALiveChanSIPSecretIs(t *testing.T) {
	const secret = "k7Qm2pXw9RtZ4vNb8cDf6hGj"
	users := func(row string) []string {
		return []string{"Username                   Secret           Accountcode      Def.Context      ACL  Forcerport", row}
	}
	for name, c := range map[string]struct {
		md5   string
		lines []string
		deny  bool
		says  string
		fails bool
	}{
		"friend with the new secret": {"N", users("1002                       k7Qm2pXw9RtZ4vN                  default          No   No"), false, "live value checked", false},
		"friend with the old secret": {"N", users("1002                       old-1002                         default          No   No"), false, "", true},
		"peer that is no user":       {"N", users(""), false, "cannot be read", false},
		"no class command":           {"N", nil, true, "cannot be read", false},
		"md5secret":                  {"Y", nil, true, "never shows an md5secret", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := New(script(func(a ami.Action) (*ami.Response, error) {
					if a.Name == "SIPshowpeer" {
						return &ami.Response{Fields: message("MD5SecretExist", c.md5)}, nil
					}
					if c.deny {
						return nil, refusal(a, "Permission denied")
					}
					r := &ami.Response{}
					for _, l := range c.lines {
						r.Fields = append(r.Fields, ami.Field{Name: "Output", Value: l})
					}
					return r, nil
				}), Options{})
				checked, err := m.liveSIP(t.Context(), "1002", secret)
				if (err != nil) != c.fails || !strings.Contains(checked, c.says) {
					t.Errorf("%q, %v", checked, err)
				}
			})
		})
	}
}
