package pbx

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// fakePBX answers as Asterisk does, from config files in a folder. Like
// Asterisk it goes on with what it read last until it is told to reload. What
// sabotage returns for an action goes before its own answer.
type fakePBX struct {
	t   *testing.T
	dir string

	mu       sync.Mutex
	live     config
	did      []string
	sabotage func(a ami.Action) (*ami.Response, error, bool)
}

const pjsipConf = `; the office
[1001]
type = endpoint
auth = 1001
aors = 1001
[1001]
type = auth
username = 1001
password = old-1001
[1001]
type = aor

[1002]
type = endpoint
auth = 1002
aors = 1002
[1002]
type = auth
username = 1002
password = old-1002
[1002]
type = aor
contact = sip:door@192.0.2.7
`

func newFakePBX(t *testing.T, files map[string]string) *fakePBX {
	t.Helper()
	f := &fakePBX{t: t, dir: t.TempDir()}
	if files == nil {
		files = map[string]string{"pjsip.conf": pjsipConf}
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(f.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	f.live = f.load("pjsip.conf")
	return f
}

func (f *fakePBX) load(file string) config {
	c, _ := f.read(nil, file)
	return c
}

// read adds what a file says to what was read before it. Like Asterisk, it stops at a section
// that adds to one that is not there, and goes on behind the line that included the file.
func (f *fakePBX) read(c config, file string) (config, bool) {
	text, err := os.ReadFile(filepath.Join(f.dir, file))
	if err != nil {
		return nil, false
	}
	open := -1
	for _, l := range conffile.Parse(text) {
		switch l.Kind {
		case conffile.Header:
			if !l.Adds() {
				c, open = append(c, category{name: l.Name}), len(c)
				continue
			}
			_, kind, _ := strings.Cut(l.Options[0], "+type=")
			if open, err = c.find(l.Name, kind); err != nil || open < 0 {
				return c, true
			}
		case conffile.Variable:
			c[open].vars = append(c[open].vars, ami.Field{Name: l.Name, Value: l.Value})
		case conffile.Include:
			paths, _ := filepath.Glob(filepath.Join(f.dir, l.Value))
			for _, p := range paths {
				more, ok := f.read(c, strings.TrimPrefix(p, f.dir+"/"))
				if !ok {
					return nil, false
				}
				c = more
			}
			if len(paths) == 0 && l.Name == "include" && !strings.ContainsAny(l.Value, "*?[") {
				return nil, false // then Asterisk loads nothing at all
			}
		}
	}
	return c, true
}

func (f *fakePBX) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := a.Validate(); err != nil {
		f.t.Errorf("unsafe action: %v", err)
	}
	f.did = append(f.did, a.Name)
	if f.sabotage != nil {
		if r, err, done := f.sabotage(a); done {
			return r, err
		}
	}
	get := ami.Message(a.Fields).Get
	switch a.Name {
	case "PJSIPShowEndpoint":
		return f.endpoint(get("Endpoint"))
	case "GetConfig":
		return f.getConfig(get("Filename"))
	case "UpdateConfig":
		return &ami.Response{}, f.update(get)
	case "Reload":
		f.live = f.load("pjsip.conf")
		return &ami.Response{}, nil
	}
	return nil, &ami.Error{Action: a.Name, Message: "Invalid/unknown command: " + a.Name + ". Use Action: ListCommands to show available commands."}
}

func (f *fakePBX) endpoint(name string) (*ami.Response, error) {
	section := func(name, kind string) (category, bool) {
		i, err := f.live.find(name, kind)
		if err != nil || i < 0 {
			return category{}, false
		}
		return f.live[i], true
	}
	e, ok := section(name, "endpoint")
	if !ok {
		return nil, &ami.Error{Action: "PJSIPShowEndpoint", Message: "Unable to retrieve endpoint " + name}
	}
	acl := ""
	if e.last("deny") != "" {
		acl = "deny/permit"
	}
	r := &ami.Response{Events: []ami.Message{{
		{Name: "Event", Value: "EndpointDetail"},
		{Name: "ObjectName", Value: name},
		{Name: "Auth", Value: e.last("auth")},
		{Name: "OutboundAuth", Value: e.last("outbound_auth")},
		{Name: "Acl", Value: acl},
		{Name: "Context", Value: e.last("context")},
	}}}
	for _, n := range append(list(e.last("auth")), list(e.last("outbound_auth"))...) {
		if au, ok := section(n, "auth"); ok {
			r.Events = append(r.Events, ami.Message{
				{Name: "Event", Value: "AuthDetail"},
				{Name: "ObjectName", Value: n},
				{Name: "AuthType", Value: au.last("auth_type")},
				{Name: "Username", Value: au.last("username")},
				{Name: "Realm", Value: au.last("realm")},
				{Name: "Password", Value: au.last("password")},
				{Name: "Md5Cred", Value: au.last("md5_cred")},
				{Name: "PasswordDigest", Value: strings.Join(au.values("password_digest"), ",")},
			})
		}
	}
	for _, n := range list(e.last("aors")) {
		if aor, ok := section(n, "aor"); ok {
			r.Events = append(r.Events, ami.Message{{Name: "Event", Value: "AorDetail"}, {Name: "ObjectName", Value: n}})
			if uri := aor.last("contact"); uri != "" {
				r.Events = append(r.Events, ami.Message{{Name: "Event", Value: "ContactStatusDetail"}, {Name: "URI", Value: uri}, {Name: "ID", Value: n + "@@c3f24fbd"}})
			}
		}
	}
	return r, nil
}

func (f *fakePBX) getConfig(file string) (*ami.Response, error) {
	c := f.load(file)
	if c == nil {
		return nil, &ami.Error{Action: "GetConfig", Message: "Config file not found"}
	}
	r := &ami.Response{}
	for i, cat := range c {
		r.Fields = append(r.Fields, ami.Field{Name: fmt.Sprintf("Category-%06d", i), Value: cat.name})
		for k, v := range cat.vars {
			r.Fields = append(r.Fields, ami.Field{Name: fmt.Sprintf("Line-%06d-%06d", i, k), Value: v.Name + "=" + v.Value})
		}
	}
	return r, nil
}

// update does one Update of UpdateConfig on sections of type=auth, in place, as
// Asterisk does.
func (f *fakePBX) update(get func(string) string) error {
	path := filepath.Join(f.dir, get("DstFilename"))
	text, err := os.ReadFile(path)
	if err != nil {
		return &ami.Error{Action: "UpdateConfig", Message: "Config file not found"}
	}
	lines := conffile.Parse(text)
	for _, s := range conffile.Sections(lines, get("Cat-000000")) {
		if v := s.Values(lines, "type"); len(v) == 1 && v[0] == "auth" {
			text = conffile.SetVariable(text, s, get("Var-000000"), get("Match-000000"), get("Value-000000"))
			return os.WriteFile(path, append([]byte(";! Generator: Manager\n"), text...), 0o640)
		}
	}
	return &ami.Error{Action: "UpdateConfig", Message: "Given category does not exist"}
}

func (f *fakePBX) count(name string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.did {
		if d == name {
			n++
		}
	}
	return n
}

func (f *fakePBX) file(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// memoryVault remembers; fail makes it refuse.
type memoryVault struct {
	mu     sync.Mutex
	kept   []Entry
	voided int
	fail   error
}

func (v *memoryVault) Keep(e Entry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fail != nil {
		return v.fail
	}
	v.kept = append(v.kept, e)
	return nil
}

func (v *memoryVault) Check(int) error { return nil }

func (v *memoryVault) Void(Entry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.voided++
	return nil
}

func (v *memoryVault) String() string { return "memory" }
