package amitest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
)

var (
	warden  = amitest.User{Name: "tollwarden", Secret: "s3cr3t"}
	watcher = amitest.User{Name: "watcher", Secret: "w", Read: "security", Write: "reporting"}
)

func start(t *testing.T, o amitest.Options) *amitest.PBX {
	t.Helper()
	o.Users = []amitest.User{warden, watcher}
	o.AuthDelay = time.Millisecond
	p, err := amitest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// recorder records the events of a session as "Name Account-or-Channel".
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (e *recorder) handle(_ time.Time, b *event.Block) {
	words := ""
	for _, h := range b.Headers {
		switch string(h.Name) {
		case "Event":
			words = string(h.Value)
		case "AccountID", "Channel", "URI", "Peer":
			words += " " + string(h.Value)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, words)
}

// after returns the events received until the answer to a ping, and resets the recorder.
func (e *recorder) after(t *testing.T, c *ami.Client) []string {
	t.Helper()
	do(t, c, act("Ping"))
	e.mu.Lock()
	defer e.mu.Unlock()
	events := e.events
	e.events = nil
	return events
}

func connect(t *testing.T, p *amitest.PBX, u amitest.User, events string) (*ami.Client, *recorder) {
	t.Helper()
	e := &recorder{}
	d := ami.Dialer{Address: p.Address(), Username: u.Name, Secret: u.Secret, Events: events, Handle: e.handle}
	c, err := d.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	e.after(t, c)
	return c, e
}

func do(t *testing.T, c *ami.Client, a ami.Action) *ami.Response {
	t.Helper()
	r, err := c.Do(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func refused(t *testing.T, c *ami.Client, a ami.Action, message string) {
	t.Helper()
	_, err := c.Do(t.Context(), a)
	var refusal *ami.Error
	if !errors.As(err, &refusal) || refusal.Message != message {
		t.Errorf("%s: %v, want refusal %q", a.Name, err, message)
	}
}

func TestLoginEvents(t *testing.T) {
	p := start(t, amitest.Options{})
	c, e := connect(t, p, watcher, "on")
	for _, login := range []struct {
		fields []ami.Field
		want   string
	}{
		{[]ami.Field{{Name: "Username", Value: "tollwarden"}, {Name: "Secret", Value: "s3cr3t"}}, "SuccessfulAuth tollwarden"},
		{[]ami.Field{{Name: "Username", Value: "tollwarden"}, {Name: "Secret", Value: "x"}}, "InvalidPassword tollwarden"},
		{[]ami.Field{{Name: "Username", Value: "nobody"}, {Name: "Secret", Value: "x"}}, "InvalidAccountID nobody"},
	} {
		conn, err := net.Dial("tcp", p.Address())
		if err != nil {
			t.Fatal(err)
		}
		client, err := ami.NewClient(t.Context(), conn, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Do(t.Context(), ami.Action{Name: "Login", Fields: login.fields})
		if failed := !strings.HasPrefix(login.want, "Successful"); (err != nil) != failed {
			t.Errorf("%s: %v", login.want, err)
		}
		_ = client.Close()
		if got := e.after(t, c); !slices.Equal(got, []string{login.want}) {
			t.Errorf("events %q, want %q", got, login.want)
		}
	}
	d := ami.Dialer{Address: p.Address(), Username: "tollwarden", Secret: "x"}
	if _, err := d.Connect(t.Context()); !errors.Is(err, ami.ErrAuth) {
		t.Errorf("wrong key: %v", err)
	}
	if got := e.after(t, c); !slices.Equal(got, []string{"ChallengeResponseFailed "}) {
		t.Errorf("events %q", got)
	}
	p.RefuseLogins(true)
	d.Secret = "s3cr3t"
	if _, err := d.Connect(t.Context()); !errors.Is(err, ami.ErrAuth) {
		t.Errorf("logins refused: %v", err)
	}
}

func TestPlainOnlyPBX(t *testing.T) {
	p := start(t, amitest.Options{PlainOnly: true, Banner: "Asterisk Call Manager/1.0"})
	c, _ := connect(t, p, warden, "off")
	if c.Banner() != "Asterisk Call Manager/1.0" {
		t.Errorf("banner %q", c.Banner())
	}
	if v, err := c.Version(t.Context()); v != "22.10.1" || err != nil {
		t.Errorf("version %q, %v", v, err)
	}
}

func TestPermissionsAndMasks(t *testing.T) {
	p := start(t, amitest.Options{})
	c, e := connect(t, p, watcher, "all")
	refused(t, c, act("Command", "Command", "core show version"), "Permission denied")
	refused(t, c, ami.Action{Name: "NoSuchThing"}, "Invalid/unknown command: NoSuchThing. Use Action: ListCommands to show available commands.")
	p.AddChannel(amitest.Channel{Account: "1001"}) // class call, which the user may not read
	if got := e.after(t, c); !slices.Equal(got, []string{"RequestNotAllowed watcher", "RequestBadFormat watcher"}) {
		t.Errorf("events %q", got)
	}
	r := do(t, c, ami.Action{Name: "ListCommands"})
	if r.Get("CoreShowChannels") == "" || r.Get("Command") != "" {
		t.Errorf("ListCommands: %q", r.Fields)
	}
	do(t, c, ami.Action{Name: "Events", Fields: []ami.Field{{Name: "EventMask", Value: "off"}}})
	p.Security(amitest.SecurityEvent{Event: "ChallengeSent"})
	if got := e.after(t, c); len(got) != 0 {
		t.Errorf("events while off: %q", got)
	}
}

func TestAllSessionsSeeTheSameOrder(t *testing.T) {
	p := start(t, amitest.Options{})
	one, a := connect(t, p, warden, "call,security")
	two, b := connect(t, p, warden, "call,security")
	a.after(t, one) // the login of the second
	var raise sync.WaitGroup
	for i := range 8 {
		raise.Go(func() {
			for j := range 50 {
				p.Security(amitest.SecurityEvent{Event: "ChallengeSent", Account: fmt.Sprint(i, "/", j)})
			}
		})
	}
	raise.Wait()
	heard := a.after(t, one)
	if len(heard) != 400 || !slices.Equal(heard, b.after(t, two)) {
		t.Errorf("%d events, or in different order", len(heard))
	}
}

func TestHangup(t *testing.T) {
	p := start(t, amitest.Options{})
	c, e := connect(t, p, warden, "call")
	for _, name := range []string{"PJSIP/1002-00000001", "PJSIP/1002-00000002", "PJSIP/10021-00000003", "PJSIP/1001-00000004"} {
		p.AddChannel(amitest.Channel{Name: name, Exten: "0011442079460001"})
	}
	p.AddChannel(amitest.Channel{Name: "PJSIP/1002-00000005", Deaf: 1})
	e.after(t, c)
	if r := do(t, c, act("CoreShowChannels")); len(r.Events) != 5 || r.Events[0].Get("Exten") != "0011442079460001" {
		t.Errorf("channels: %v", r.Events)
	}
	r := do(t, c, act("Hangup", "Channel", `/^PJSIP/1002-[0-9a-f]{8}$/`, "Cause", "21"))
	if len(r.Events) != 3 || r.Events[0].Get("Channel") != "PJSIP/1002-00000001" {
		t.Errorf("hung up: %v", r.Events)
	}
	if got := e.after(t, c); !slices.Equal(got, []string{"Hangup PJSIP/1002-00000001", "Hangup PJSIP/1002-00000002"}) {
		t.Errorf("events %q", got)
	}
	do(t, c, act("Hangup", "Channel", "PJSIP/1002-00000005"))
	refused(t, c, act("Hangup", "Channel", "PJSIP/1002-00000005"), "No such channel")
	refused(t, c, act("Hangup", "Channel", "/(/"), "Regex compile failed on: /(/")
	if got := p.Channels(); !slices.Equal(got, []string{"PJSIP/10021-00000003", "PJSIP/1001-00000004"}) {
		t.Errorf("left: %q", got)
	}
}

func TestContactsAreDatabaseRows(t *testing.T) {
	p := start(t, amitest.Options{})
	if err := p.AddAccount(amitest.Account{Name: "1002", Secret: "x"}); err != nil {
		t.Fatal(err)
	}
	c, e := connect(t, p, warden, "system")
	refused(t, c, act("PJSIPShowContacts"), "No Contacts found")
	id := p.Register(amitest.Contact{Account: "1002", Via: netip.MustParseAddrPort("192.0.2.66:5060"), UserAgent: "friendly-scanner"})
	if got := e.after(t, c); !slices.Equal(got, []string{"ContactStatus sip:1002@192.0.2.66:5060"}) {
		t.Errorf("events %q", got)
	}
	r := do(t, c, act("PJSIPShowContacts"))
	if len(r.Events) != 1 || r.Events[0].Get("ObjectName") != id || r.Events[0].Get("ViaAddr") != "192.0.2.66" {
		t.Errorf("contacts: %v", r.Events)
	}
	details := ""
	for _, d := range do(t, c, act("PJSIPShowEndpoint", "Endpoint", "1002")).Events {
		details += d.Get("Event") + " "
	}
	if details != "EndpointDetail AuthDetail AorDetail ContactStatusDetail " {
		t.Errorf("details: %s", details)
	}
	refused(t, c, act("PJSIPShowEndpoint", "Endpoint", "nobody"), "Unable to retrieve endpoint nobody")
	refused(t, c, ami.Action{Name: "DBDelTree", Fields: []ami.Field{{Name: "Family", Value: "registrar"}, {Name: "Key", Value: "contact/1002"}}}, "Database entry not found")
	if r := do(t, c, ami.Action{Name: "DBGetTree", Fields: []ami.Field{{Name: "Family", Value: "registrar"}, {Name: "Key", Value: "contact"}}}); len(r.Events) != 1 || r.Events[0].Get("Key") != "/registrar/contact/"+id {
		t.Errorf("rows: %v", r.Events)
	}
	do(t, c, act("DBDel", "Family", "registrar", "Key", "contact/"+id))
	refused(t, c, act("DBDel", "Family", "registrar", "Key", "contact/"+id), "Database entry could not be deleted")
	if got := p.Contacts("1002"); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestChanSIPPeers(t *testing.T) {
	p := start(t, amitest.Options{})
	if err := p.AddAccount(amitest.Account{Technology: "SIP", Name: "1002", Secret: "old"}); err != nil {
		t.Fatal(err)
	}
	c, e := connect(t, p, warden, "system")
	p.Register(amitest.Contact{Technology: "SIP", Account: "1002", Via: netip.MustParseAddrPort("192.0.2.66:5060")})
	if r := do(t, c, ami.Action{Name: "SIPpeers"}); len(r.Events) != 1 || r.Events[0].Get("IPaddress") != "192.0.2.66" {
		t.Errorf("peers: %v", r.Events)
	}
	show := ami.Action{Name: "SIPshowpeer", Fields: []ami.Field{{Name: "Peer", Value: "1002"}}}
	if r := do(t, c, show); r.Get("Address-Port") != "5060" || r.Get("Reg-Contact") != "sip:1002@192.0.2.66:5060" {
		t.Errorf("peer: %v", r.Fields)
	}
	if r := do(t, c, act("Command", "Command", "sip unregister 1002")); r.Get("Output") != "Unregistered peer '1002'" {
		t.Errorf("unregister: %q", r.Get("Output"))
	}
	if got := e.after(t, c); !slices.Equal(got, []string{"PeerStatus SIP/1002", "PeerStatus SIP/1002"}) || len(p.Contacts("1002")) != 0 {
		t.Errorf("events %q, left %q", got, p.Contacts("1002"))
	}
}

func TestSecretsAreInForceAfterReload(t *testing.T) {
	const pjsip = `
[base](!)
type = auth
auth_type = userpass
password = from-template

[1001]
type = endpoint
auth = 1001
[1001](base)
username = 1001
password = leaf
`
	edit := func(e ami.Edit) ami.Action { return ami.UpdateConfig("pjsip.conf", e) }
	auth := `catfilter="type=auth"`
	for _, c := range []struct {
		name   string
		action ami.Action
		want   string
	}{
		{"update replaces the inherited value, without effect", edit(ami.Edit{Verb: "Update", Category: "1001", Variable: "password", Value: "new", Options: auth}), "leaf"},
		{"update with a match", edit(ami.Edit{Verb: "Update", Category: "1001", Variable: "password", Value: "new", Match: "leaf", Options: auth}), "new"},
		{"append", edit(ami.Edit{Verb: "Append", Category: "1001", Variable: "password", Value: "new", Options: auth}), "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, amitest.Options{Files: map[string]string{"pjsip.conf": pjsip}})
			client, _ := connect(t, p, warden, "off")
			do(t, client, c.action)
			if got := p.Secret("1001"); got != "leaf" {
				t.Errorf("in force before the reload: %q", got)
			}
			do(t, client, act("Reload", "Module", "res_pjsip.so"))
			if got := p.Secret("1001"); got != c.want {
				t.Errorf("in force after the reload: %q, want %q\n%s", got, c.want, p.File("pjsip.conf"))
			}
		})
	}
}

func TestInvalidEditsGetAsterisksErrors(t *testing.T) {
	p := start(t, amitest.Options{Files: map[string]string{"sip.conf": "[1001]\ntype = friend\nsecret = x;comment\n"}})
	c, _ := connect(t, p, warden, "off")
	for _, e := range []struct {
		edit ami.Edit
		want string
	}{
		{ami.Edit{Verb: "Update", Category: "1001", Variable: "none", Value: "x"}, "Update did not complete successfully"},
		{ami.Edit{Verb: "Update", Category: "1002", Variable: "secret", Value: "x"}, "Given category does not exist"},
		{ami.Edit{Verb: "Update", Category: "1001"}, "Problem with category, value, or line (if required)"},
		{ami.Edit{Verb: "Update", Variable: "secret"}, "Category not specified"},
		{ami.Edit{Verb: "Smash", Category: "1001"}, "Unknown action command"},
		{ami.Edit{Verb: "NewCat", Category: "1001"}, "Create category did not complete successfully"},
		{ami.Edit{Verb: "NewCat", Category: "1003", Options: `inherit="none"`}, "Template category not found"},
	} {
		refused(t, c, ami.UpdateConfig("sip.conf", e.edit), e.want)
	}
	refused(t, c, ami.GetConfig("none.conf", ""), "Config file not found")
	refused(t, c, ami.GetConfig("../manager.conf", ""), "File requires escalated privileges")
	do(t, c, ami.UpdateConfig("sip.conf", ami.Edit{Verb: "Update", Category: "1001", Variable: "secret", Value: "a;b"}))
	if r := do(t, c, act("GetConfig", "Filename", "sip.conf", "Category", "1001")); r.Get("Line-000000-000001") != "secret=a;b" {
		t.Errorf("a semicolon does not survive: %q\n%s", r.Fields, p.File("sip.conf"))
	}
}

func TestFilesInDirectory(t *testing.T) {
	dir := t.TempDir()
	p := start(t, amitest.Options{ConfigDir: dir, Files: map[string]string{"sip.conf": "[1001]\ntype = friend\nsecret = old\n"}})
	c, _ := connect(t, p, warden, "off")
	name := filepath.Join(dir, "sip.conf")
	do(t, c, ami.UpdateConfig(name, ami.Edit{Verb: "Update", Category: "1001", Variable: "secret", Value: "new"}))
	if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "secret = new") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestRealtime(t *testing.T) {
	p := start(t, amitest.Options{Realtime: map[string][]map[string]string{
		"ps_endpoints": {{"id": "1001", "auth": "1001", "aors": "1001"}},
		"ps_auths":     {{"id": "1001", "username": "1001", "password": "old"}},
	}})
	c, _ := connect(t, p, warden, "off")
	if r := do(t, c, act("Command", "Command", "realtime update ps_auths id 1001 password new")); r.Get("Output") != "Updated 1 RealTime record." {
		t.Errorf("%q", r.Get("Output"))
	}
	if got := p.Secret("1001"); got != "new" {
		t.Errorf("in force: %q, want new", got)
	}
	r, err := c.Do(t.Context(), act("Command", "Command", "realtime update none id 1001 password new"))
	if err == nil || !strings.HasPrefix(r.Get("Output"), "Failed to update.") {
		t.Errorf("no such family: %v, %v", r, err)
	}
}

func TestSessionThatDoesNotReadIsDisconnected(t *testing.T) {
	p := start(t, amitest.Options{})
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(conn, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\n\r\n", warden.Name, warden.Secret)
	if err := p.WaitSessions(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	reader, e := connect(t, p, warden, "user") // receives no events and stays connected
	text := strings.Repeat("x", 32<<10)
	for deadline := time.Now().Add(20 * time.Second); p.Cut() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("not disconnected in 20 s")
		}
		p.Event("call", "Filler", ami.Field{Name: "Text", Value: text})
		time.Sleep(time.Millisecond)
	}
	if got := e.after(t, reader); len(got) != 0 || p.Cut() != 1 {
		t.Errorf("events of the other session: %q; %d disconnected", got, p.Cut())
	}
}

// The daemon's dialer recovers from every fault.
func TestFaults(t *testing.T) {
	for _, fault := range []struct {
		name    string
		fault   func(p *amitest.PBX)
		recover func(p *amitest.PBX)
	}{
		{"dropped", (*amitest.PBX).Drop, nil},
		{"cut in mid-block", (*amitest.PBX).CutMidBlock, nil},
		{"hung", func(p *amitest.PBX) { p.Hang(true) }, func(p *amitest.PBX) { p.Hang(false) }},
		{"down", (*amitest.PBX).Down, func(p *amitest.PBX) { _ = p.Up() }},
		{"slow", func(p *amitest.PBX) { p.Delay(time.Second) }, func(p *amitest.PBX) { p.Delay(0) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			p := start(t, amitest.Options{})
			e := &recorder{}
			d := ami.Dialer{
				Address: p.Address(), Username: warden.Name, Secret: warden.Secret, Events: "user", Handle: e.handle,
				KeepAlive: 50 * time.Millisecond, PingTimeout: 50 * time.Millisecond, LoginTimeout: time.Second,
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			lives := 0
			err := d.Run(ctx, func(ctx context.Context, c *ami.Client) error {
				if lives++; lives == 2 {
					if g := c.Gap(); g.IsZero() || g.Length() <= 0 {
						t.Errorf("gap %v", g)
					}
					return nil
				}
				fault.fault(p)
				<-ctx.Done()
				if fault.recover != nil {
					fault.recover(p)
				}
				return ctx.Err()
			})
			if err != nil || lives != 2 {
				t.Errorf("%v, %d connections, want 2", err, lives)
			}
			if heard := strings.Join(e.events, ""); strings.Contains(heard, "Hangup") {
				t.Errorf("part of an event was received: %q", heard)
			}
		})
	}
}

func TestPlayKeepsThePace(t *testing.T) {
	p := start(t, amitest.Options{})
	transcript := "Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\n"
	for i := range 3 {
		transcript += fmt.Sprintf("Event: X\r\nPrivilege: user,all\r\nEventTV: 2026-11-22T00:00:00.%03d+0000\r\n\r\n", 100*i)
	}
	for _, c := range []struct {
		name  string
		pace  amitest.Pace
		least time.Duration
	}{
		{"at once", amitest.AtOnce, 0},
		{"as recorded", amitest.AsRecorded, 200 * time.Millisecond},
		{"every 20 ms", amitest.Every(20 * time.Millisecond), 60 * time.Millisecond},
	} {
		began := time.Now()
		n, err := p.Play(t.Context(), []byte(transcript), c.pace)
		if took := time.Since(began); n != 3 || err != nil || took < c.least {
			t.Errorf("%s: %d events, %v, in %v; want 3 in at least %v", c.name, n, err, took, c.least)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Play(ctx, []byte(transcript), amitest.AtOnce); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// act returns an action with the given header names and values, alternating.
func act(name string, headers ...string) ami.Action {
	a := ami.Action{Name: name}
	for i := 0; i < len(headers); i += 2 {
		a.Fields = append(a.Fields, ami.Field{Name: headers[i], Value: headers[i+1]})
	}
	return a
}
