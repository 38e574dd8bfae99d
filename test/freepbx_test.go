package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/test/freepbx"
	"github.com/tollwarden/tollwarden/test/lab"
)

// FreePBX as it comes: a stolen password is refused at once, and in FreePBX's database it is
// another one, whatever Apply Config does then; one row has changed. What would keep that
// from working is said beforehand.
func TestRotateOnFreePBX(t *testing.T) {
	server := freepbx.NewServer(t)
	p := freepbx.New(t, lab.Asterisk22, server)
	// It is root here, and in the database no more than setup makes its user.
	const user = "nobody"
	o := mariadb.Options{Socket: server.Socket, User: user}
	database := fmt.Sprintf("[database]\nsocket = %q\nuser = %q\n", server.Socket, user)
	server.Limit(t, user, o.Create()...)
	w := guardWith(t, p.Lab, shortRules(10)+database)
	out, err := w.tollwarden("check", "-c", w.config())
	if err == nil || !strings.Contains(out, `rotating "1001", "1002", "1003"`) || !strings.Contains(out, "setup --database") {
		t.Errorf("check without the database's rights: %v\n%s", err, out)
	}
	server.Limit(t, user, append(o.Create(), o.FreePBXGrants()...)...)
	if out, err := w.tollwarden("check", "-c", w.config()); err != nil || strings.Contains(out, `"1002" would fail`) || !strings.Contains(out, "it is a trunk") {
		t.Errorf("check: %v\n%s", err, out)
	}
	w.noRotationElsewhere(t, database)

	stolen := p.Secret(t, "1002")
	before, err := p.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	thief, err := addHost(t, p.Lab, "thief", guesserAddress).Phone("1002", stolen, lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = thief.Close() })
	register(t, thief)
	out, err = w.tollwarden("rotate", "1002", "--expire", "--socket", w.socket())
	if err != nil || !strings.Contains(out, "it is in the database") || w.hasContact("1002") {
		t.Fatalf("rotate: %v: %s", err, out)
	}
	t.Log(out)
	n := 0
	refused := func(when string) {
		t.Helper()
		n++ // an address that is not banned
		elsewhere, err := addHost(t, p.Lab, fmt.Sprintf("elsewhere-%d", n), fmt.Sprintf("203.0.113.%d", 80+n)).Phone("1002", stolen, lab.PhoneOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer elsewhere.Close()
		if err := elsewhere.Register(soon(t)); err == nil {
			t.Errorf("%s: the stolen password is accepted", when)
		}
	}
	after, err := p.Rows(t.Context())
	if changed := freepbx.Changed(before, after); err != nil || !slices.Equal(changed, []string{"admin  need_reload", "sip 1002 secret"}) {
		t.Errorf("rows changed: %q, %v", changed, err)
	}
	if p.Secret(t, "1002") == stolen {
		t.Error("the database has the stolen password")
	}
	if err := p.Delete(t.Context(), "1001"); err != nil { // a neighbour
		t.Fatal(err)
	}
	for i := range 3 {
		p.ApplyConfig(t)
		time.Sleep(300 * time.Millisecond)
		refused(fmt.Sprintf("after Apply Config %d", i+1))
	}
}

// noRotationElsewhere: a folder that is not Asterisk's, and a hook that is not there, are
// found before a break-in.
func (w *warden) noRotationElsewhere(t *testing.T, database string) {
	t.Helper()
	config, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "asterisk")
	if err := os.CopyFS(elsewhere, os.DirFS(w.lab.Path("/etc/asterisk"))); err != nil {
		t.Fatal(err)
	}
	auth := filepath.Join(elsewhere, "pjsip.auth.conf")
	text, err := os.ReadFile(auth)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(auth, []byte(strings.Replace(string(text), "made-up-secret-of-1002", "of-last-year", 1)), 0o640); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ was, is, says string }{
		"a copy of the folder": {w.lab.Path("/etc/asterisk"), elsewhere, "config_dir is not the folder of this Asterisk"},
		"no hook":              {database, database + "[rotate]\nexec = [\"/nonexistent/hook\"]\n", "hook /nonexistent/hook"},
	} {
		other := filepath.Join(t.TempDir(), "tollwarden.toml")
		if err := os.WriteFile(other, []byte(strings.Replace(string(config), c.was, c.is, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := w.tollwarden("check", "-c", other); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
