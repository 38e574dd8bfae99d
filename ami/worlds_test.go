package ami_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/test/lab"
)

// world is a PBX, amitest or a real Asterisk, with a phone for 1002.
type world struct {
	technology string // of its accounts: PJSIP or SIP
	dialer     func() *ami.Dialer
	register   func()
	call       func(number string) // up when it returns
}

// headerNames holds the names of the headers of each kind of block.
type headerNames map[string][]string

func (s headerNames) keep(name string, m ami.Message) {
	s[name] = nil
	for _, f := range m {
		s[name] = append(s[name], f.Name)
	}
}

// The client works with a real Asterisk, and amitest behaves like a real Asterisk.
func TestClientInBothWorlds(t *testing.T) {
	for _, v := range lab.Versions() {
		var ours, real headerNames
		t.Run("amitest as Asterisk "+string(v), func(t *testing.T) { ours = inWorld(t, amitestWorld(t, v)) })
		t.Run("Asterisk "+string(v), func(t *testing.T) { real = inWorld(t, realWorld(t, v)) })
		for name, headers := range ours {
			if real == nil { // skipped
				break
			}
			if !inOrder(headers, real[name]) {
				t.Errorf("Asterisk %s: amitest's %s has\n%q\nAsterisk's has\n%q", v, name, headers, real[name])
			}
		}
	}
}

// inOrder reports whether all contains some in the same order.
func inOrder(some, all []string) bool {
	for _, name := range some {
		i := slices.Index(all, name)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}

func amitestWorld(t *testing.T, v lab.Version) world {
	o := amitest.Options{AuthDelay: time.Millisecond}
	technology := "PJSIP"
	if v != lab.Asterisk22 {
		technology, o.Version, o.Banner = "SIP", "16.28.0", "Asterisk Call Manager/5.0.4"
	}
	p := startPBX(t, o)
	if err := p.AddAccount(amitest.Account{Technology: technology, Name: "1002", Secret: "x"}); err != nil {
		t.Fatal(err)
	}
	return world{
		technology: technology,
		dialer: func() *ami.Dialer {
			return &ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: warden.Secret}
		},
		register: func() {
			p.Register(amitest.Contact{Technology: technology, Account: "1002", Via: netip.MustParseAddrPort("203.0.113.66:5060")})
		},
		call: func(number string) {
			p.AddChannel(amitest.Channel{Technology: technology, Account: "1002", Exten: number, State: 6})
		},
	}
}

func realWorld(t *testing.T, v lab.Version) world {
	l := lab.New(t, lab.Options{Version: v})
	h, err := l.Host("phone", "203.0.113.66")
	if err != nil {
		t.Fatal(err)
	}
	phone, err := h.Phone("1002", "", lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = phone.Close() })
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return world{
		technology: l.Technology(),
		dialer: func() *ami.Dialer {
			return &ami.Dialer{Address: lab.AMIAddress, Username: lab.AMIUser, Secret: lab.AMISecret, Dial: l.PBX.Dial}
		},
		register: func() { must(phone.Register(t.Context())) },
		call:     func(number string) { _, err := phone.Call(t.Context(), number); must(err) },
	}
}

// inWorld is the body of the test.
func inWorld(t *testing.T, w world) headerNames {
	found := make(headerNames)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	wrong := w.dialer()
	wrong.Secret = "wrong"
	if _, err := wrong.Connect(ctx); !errors.Is(err, ami.ErrAuth) {
		t.Errorf("wrong secret: %v, want %v", err, ami.ErrAuth)
	}

	events := make(chan ami.Message, 1000)
	d := w.dialer()
	d.Events = "security,call,system"
	d.Handle = func(_ time.Time, b *event.Block) {
		var m ami.Message
		for _, h := range b.Headers {
			m = append(m, ami.Field{Name: string(h.Name), Value: string(h.Value)})
		}
		events <- m
	}
	waitFor := func(event, header, value string) ami.Message {
		t.Helper()
		for {
			select {
			case m := <-events:
				if m.Get("Event") == event && m.Get(header) == value {
					return m
				}
			case <-ctx.Done():
				t.Fatalf("%s with %s: %s is not blockCopy", event, header, value)
			}
		}
	}
	c, err := d.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	do := func(a ami.Action) *ami.Response {
		t.Helper()
		r, err := c.Do(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	refused := func(a ami.Action, message string) *ami.Response {
		t.Helper()
		r, err := c.Do(ctx, a)
		var refusal *ami.Error
		if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Message, message) {
			t.Errorf("%s: %v, want refusal %q", a.Name, err, message)
		}
		return r
	}

	own := netip.MustParseAddrPort(c.LocalAddr().String())
	found.keep("SuccessfulAuth", waitFor("SuccessfulAuth", "RemoteAddress", amitest.Address("TCP", own)))
	if v, err := c.Version(ctx); err != nil || !strings.Contains(v, ".") {
		t.Errorf("version %q, %v", v, err)
	}
	if r := do(act("Ping")); r.Get("Ping") != "Pong" {
		t.Errorf("ping: %v", r.Fields)
	}
	refused(ami.Action{Name: "NoSuchThing"}, "Invalid/unknown command")

	conf := map[string]string{"PJSIP": "pjsip.conf", "SIP": "sip.conf"}[w.technology]
	refused(ami.GetConfig("none.conf", ""), "Config file not found")
	if r := do(act("GetConfig", "Filename", conf, "Category", "nobody")); r.Fields[len(r.Fields)-1] != (ami.Field{Value: "No categories found"}) {
		t.Errorf("no such section: %q", r.Fields)
	}
	if r := do(act("GetConfig", "Filename", conf, "Category", "1002")); r.Get("Category-000000") != "1002" {
		t.Errorf("section 1002: %q", r.Fields[:min(3, len(r.Fields))])
	}
	if r := refused(act("Command", "Command", "no such thing"), "Command output follows"); r != nil && !strings.HasPrefix(r.Get("Output"), "No such command") {
		t.Errorf("output %q", r.Get("Output"))
	}

	do(ami.Action{Name: "DBPut", Fields: []ami.Field{{Name: "Family", Value: "test"}, {Name: "Key", Value: "a/b"}, {Name: "Val", Value: "1"}}})
	if r := do(ami.Action{Name: "DBGetTree", Fields: []ami.Field{{Name: "Family", Value: "test"}, {Name: "Key", Value: "a"}}}); len(r.Events) != 1 || r.Events[0].Get("Key") != "/test/a/b" || r.Events[0].Get("Val") != "1" {
		t.Errorf("database: %v", r.Events)
	}
	do(act("DBDel", "Family", "test", "Key", "a/b"))
	refused(act("DBDel", "Family", "test", "Key", "a/b"), "Database entry could not be deleted")

	contacts(t, w, refused, do, found)
	channels(t, w, c, refused, do, waitFor, found)
	return found
}

// contacts checks the actions about registrations.
func contacts(t *testing.T, w world, refused func(ami.Action, string) *ami.Response, do func(ami.Action) *ami.Response, found headerNames) {
	show := ami.Action{Name: "SIPshowpeer", Fields: []ami.Field{{Name: "Peer", Value: "1002"}}}
	if w.technology == "SIP" {
		w.register()
		r := do(show)
		if r.Get("Address-IP") != "203.0.113.66" {
			t.Errorf("registered at %q", r.Get("Address-IP"))
		}
		found.keep("SIPshowpeer", r.Fields)
		for _, peer := range do(ami.Action{Name: "SIPpeers"}).Events {
			found.keep("PeerEntry", peer)
		}
		if r := do(act("Command", "Command", "sip unregister 1002")); r.Get("Output") != "Unregistered peer '1002'" {
			t.Errorf("unregister: %q", r.Get("Output"))
		}
		if r := do(show); r.Get("Address-IP") != "(null)" {
			t.Errorf("still registered at %q", r.Get("Address-IP"))
		}
		show.Fields[0].Value = "nobody"
		refused(show, "Peer nobody not found.")
		return
	}
	refused(act("PJSIPShowContacts"), "No Contacts found")
	refused(act("PJSIPShowEndpoint", "Endpoint", "nobody"), "Unable to retrieve endpoint nobody")
	w.register()
	r := do(act("PJSIPShowContacts"))
	if len(r.Events) != 1 || r.Events[0].Get("Endpoint") != "1002" {
		t.Fatalf("contacts: %v", r.Events)
	}
	contact := r.Events[0]
	found.keep("ContactList", contact)
	for _, e := range do(act("PJSIPShowEndpoint", "Endpoint", "1002")).Events {
		found.keep(e.Get("Event"), e)
	}
	do(act("DBDel", "Family", "registrar", "Key", "contact/"+contact.Get("ObjectName")))
	refused(act("PJSIPShowContacts"), "No Contacts found")
}

// channels checks the actions about calls, and hangs them up.
func channels(t *testing.T, w world, c *ami.Client, refused func(ami.Action, string) *ami.Response, do func(ami.Action) *ami.Response, waitFor func(event, header, value string) ami.Message, found headerNames) {
	const number = "0011442079460001"
	if r := do(act("Hangup", "Channel", "/^nothing$/", "Cause", "21")); len(r.Events) != 0 {
		t.Errorf("hung up without a call: %v", r.Events)
	}
	refused(act("Hangup", "Channel", w.technology+"/none-00000001", "Cause", "21"), "No such channel")
	w.call(number)
	w.call(number)
	found.keep("Newchannel", waitFor("Newchannel", "Exten", number))
	all, err := goami.CoreShowChannels(t.Context(), ami.NewSession(c), "mine")
	if err != nil || !slices.ContainsFunc(all, func(r goami.Response) bool {
		return r.Get("Exten") == number
	}) {
		t.Errorf("goami lists %d channels, %v", len(all), err)
	}
	r := do(act("CoreShowChannels"))
	found.keep("CoreShowChannel", r.Events[0])
	name := r.Events[0].Get("Channel")
	do(act("Hangup", "Channel", name, "Cause", "21"))
	found.keep("Hangup", waitFor("Hangup", "Channel", name))
	r = do(act("Hangup", "Channel", fmt.Sprintf("/^%s/1002-[0-9a-f]{8}$/", w.technology), "Cause", "21"))
	if len(r.Events) == 0 || !strings.HasPrefix(r.Events[0].Get("Channel"), w.technology+"/1002-") {
		t.Fatalf("hung up by name: %v", r.Events)
	}
	for _, e := range r.Events {
		found.keep("ChannelHungup", e)
	}
	waitFor("Hangup", "Channel", r.Events[len(r.Events)-1].Get("Channel"))
}
