package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/test/freepbx"
	"github.com/tollwarden/tollwarden/test/lab"
)

// A thief breaks in on FreePBX as it comes, and is out for good: the stolen password is
// refused, or refused again within two seconds, whatever the administrator, a restored
// backup or the end of the daemon do to it, and who came in with it is out. A person's own
// change wins. One row of the database has changed. What would keep that from working is
// said beforehand.
func TestBreakInOnFreePBX(t *testing.T) {
	server := freepbx.NewServer(t)
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			p := freepbx.New(t, v, server)
			// It is root here, and in the database no more than setup makes its user.
			const user = "nobody"
			o := mariadb.Options{Socket: server.Socket, User: user}
			database := fmt.Sprintf("[database]\nsocket = %q\nuser = %q\n", server.Socket, user)
			server.Limit(t, user, o.Create()...)
			w := guardWith(t, p.Lab, shortRules(50)+database)
			out, err := w.tollwarden("check", "-c", w.config())
			if err == nil || !strings.Contains(out, `rotating "1001", "1002", "1003"`) || !strings.Contains(out, "setup --database") {
				t.Errorf("check without the database's rights: %v\n%s", err, out)
			}
			server.Limit(t, user, append(o.Create(), o.FreePBXGrants()...)...)
			if v == lab.Asterisk22 {
				if out, err := w.tollwarden("check", "-c", w.config()); err != nil || strings.Contains(out, `"1002" would fail`) || !strings.Contains(out, "it is a trunk") {
					t.Errorf("check: %v\n%s", err, out)
				}
				w.noRotationElsewhere(t, database)
				w.redButton(t, p)
			}
			b := &burgled{warden: w, pbx: p, stolen: p.Secret(t, "1002")}
			b.breakIn(t)
			b.staysOut(t)
			b.ownChangeWins(t)
		})
	}
}

// redButton expects check to name changes that nobody has applied.
func (w *warden) redButton(t *testing.T, p *freepbx.PBX) {
	t.Helper()
	for _, pending := range []string{"true", "false"} {
		if _, err := p.DB.ExecContext(t.Context(), "UPDATE admin SET value = ? WHERE variable = 'need_reload'", pending); err != nil {
			t.Fatal(err)
		}
		out, err := w.tollwarden("check", "-c", w.config())
		if err != nil || strings.Contains(out, "changes that are not applied") != (pending == "true") || strings.Contains(out, "fix: fwconsole reload") != (pending == "true") {
			t.Errorf("need_reload = %s: %v\n%s", pending, err, out)
		}
	}
}

// burgled is a PBX whose 1002 has a stolen password.
type burgled struct {
	*warden
	pbx    *freepbx.PBX
	stolen string
	before []freepbx.Row
	owner  *lab.Phone // at home
	places int        // that the stolen password was tried at
}

// phone is a phone of 1002 with a password.
func (b *burgled) phone(t *testing.T, h *lab.Host, password string) *lab.Phone {
	t.Helper()
	o := lab.PhoneOptions{Transport: "tcp"} // whose address is beyond doubt
	if b.lab.Version == lab.Asterisk16 {
		o.Transport = "udp" // the only one of its chan_sip
	}
	phone, err := h.Phone("1002", password, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = phone.Close() })
	return phone
}

// elsewhere is a place of the thief that is not banned.
func (b *burgled) elsewhere(t *testing.T) *lab.Phone {
	t.Helper()
	b.places++
	at := fmt.Sprintf("203.0.113.%d", 80+b.places)
	return b.phone(t, addHost(t, b.lab, fmt.Sprintf("elsewhere-%d", b.places), at), b.stolen)
}

// breakIn has a thief guess the password of 1002, and checks what becomes of that.
func (b *burgled) breakIn(t *testing.T) {
	t.Helper()
	b.owner = b.phone(t, addHost(t, b.lab, "office", "198.51.100.10"), b.stolen)
	register(t, b.owner)
	var err error
	if b.before, err = b.pbx.Rows(t.Context()); err != nil {
		t.Fatal(err)
	}
	thief := b.phone(t, addHost(t, b.lab, "thief", guesserAddress), "")
	for i := range 5 {
		thief.SetPassword(fmt.Sprintf("guess-%d", i))
		if err := thief.Register(soon(t)); err == nil {
			t.Fatal("a wrong guess was accepted")
		}
	}
	thief.SetPassword(b.stolen)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = thief.Register(ctx)              // the answer may come after the ban
	if b.lab.Version == lab.Asterisk16 { // over UDP the guesses may be somebody else's
		b.newPlace("1002")
		if out, err := b.tollwarden("compromise", "1002", "--socket", b.socket()); err != nil {
			t.Fatalf("compromise: %v: %s", err, out)
		}
	}
	b.wait("a new password", 5*time.Second, func() bool { return b.rotated("1002") })
	b.wait("the thief to be out", 5*time.Second, func() bool { return !b.hasContact("1002") && b.dropped(guesserAddress+"/32") })
	if b.pbx.Secret(t, "1002") == b.stolen || !b.pbx.Button(t) {
		t.Error("the database has the stolen password, or does not ask for Apply Config")
	}
	b.out(t, "after the break-in", time.Now())
	b.oneRow(t)
}

// oneRow checks that nothing of the database but one password has changed.
func (b *burgled) oneRow(t *testing.T) {
	t.Helper()
	after, err := b.pbx.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.DeleteFunc(freepbx.Changed(b.before, after), func(row string) bool { return row == "admin  need_reload" })
	if !slices.Equal(changed, []string{"sip 1002 secret"}) {
		t.Errorf("rows changed: %q", changed)
	}
}

// out checks that the stolen password is refused within two seconds of start, and that who
// has come in with it until then is out.
func (b *burgled) out(t *testing.T, when string, start time.Time) {
	t.Helper()
	phone := b.elsewhere(t)
	came := 0
	b.wait(when+": the stolen password to be refused", 2*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := phone.Register(ctx)
		var status *lab.StatusError
		if errors.As(err, &status) {
			return true
		}
		if came++; err != nil { // it is banned
			phone = b.elsewhere(t)
		}
		return false
	})
	took := time.Since(start)
	t.Logf("%s: refused after %v, %d attempts before", when, took.Round(time.Millisecond), came)
	if took > 2500*time.Millisecond {
		t.Errorf("%s: refused only after %v", when, took)
	}
	b.wait(when+": the thief's registration to go", 2*time.Second, func() bool { return !registeredFrom(b.warden, "1002", "203.0.113.") })
}

// staysOut does what an administrator and others do to a PBX.
func (b *burgled) staysOut(t *testing.T) {
	t.Helper()
	for i := range 3 {
		b.pbx.ApplyConfig(t)
		b.out(t, fmt.Sprintf("after Apply Config %d", i+1), time.Now())
	}
	if err := b.pbx.Delete(t.Context(), "1001"); err != nil { // a neighbour
		t.Fatal(err)
	}
	b.pbx.ApplyConfig(t)
	b.out(t, "after a neighbour was deleted", time.Now())
	if err := os.Chmod(b.pbx.Path("/etc/asterisk"), 0o750); err != nil { // as fwconsole chown does
		t.Fatal(err)
	}
	b.restore(t)
	b.out(t, "after a restored database", time.Now())

	b.wait("the database to have it again", 5*time.Second, func() bool { return b.pbx.Secret(t, "1002") != b.stolen })
	b.pbx.ApplyConfig(t) // the files have it, so that nothing of ours protects it now
	b.wait("the lines over the generated file to go", 5*time.Second, func() bool {
		left, err := filepath.Glob(b.pbx.File("tollwarden-*-1002*.conf"))
		return err == nil && len(left) == 0
	})
	b.stop(syscall.SIGKILL)
	b.restore(t)
	phone := b.elsewhere(t)
	b.wait("the thief to come in while the daemon is dead", 5*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return phone.Register(ctx) == nil
	})
	b.start()
	b.out(t, "after the daemon was killed", time.Now())
	b.wait("the database to have it again", 2*time.Second, func() bool { return b.pbx.Secret(t, "1002") != b.stolen })
	b.oneRow(t)
	b.wait("the order", 5*time.Second, func() bool { return strings.Contains(b.orders(t), `"state": "in force"`) })
}

// restore brings back the database of the time before.
func (b *burgled) restore(t *testing.T) {
	t.Helper()
	if err := b.pbx.SetSecret(t.Context(), "1002", b.stolen); err != nil {
		t.Fatal(err)
	}
	b.pbx.ApplyConfig(t)
}

func (b *burgled) orders(t *testing.T) string {
	t.Helper()
	out, err := b.tollwarden("orders", "--json", "--socket", b.socket())
	if err != nil {
		t.Fatalf("orders: %v: %s", err, out)
	}
	return out
}

// ownChangeWins has a person change the password in the GUI, while ours stands over the
// generated file.
func (b *burgled) ownChangeWins(t *testing.T) {
	t.Helper()
	const own = "a-persons-own-Xy7"
	if err := b.pbx.SetSecret(t.Context(), "1002", own); err != nil {
		t.Fatal(err)
	}
	b.pbx.ApplyConfig(t)
	b.owner.SetPassword(own)
	took := b.wait("a person's own password to be in force", 5*time.Second, func() bool { return b.owner.Register(soon(t)) == nil })
	t.Logf("a person's own password is in force after %v", took.Round(time.Millisecond))
	b.wait("the order to end", 5*time.Second, func() bool { return strings.Contains(b.orders(t), "ended by a person") })
	b.pbx.ApplyConfig(t)
	b.out(t, "after a person's own change", time.Now())
	register(t, b.owner)
	if b.pbx.Secret(t, "1002") != own {
		t.Error("the database has lost a person's own password")
	}
	b.oneRow(t)
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
