package freepbx_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/test/freepbx"
	"github.com/tollwarden/tollwarden/test/lab"
)

// me is the database user of these tests, and a user of the system: unix_socket lets
// nobody be anybody else, and root become one.
const me = "nobody"

// manager acts as the daemon would, with the database user's rights as setup gives them.
func manager(t *testing.T, p *freepbx.PBX, change ...func(*pbx.Options)) (m *pbx.Manager, vault string) {
	t.Helper()
	o := mariadb.Options{Socket: p.Server.Socket, User: me}
	p.Server.Limit(t, me, append(o.Create(), o.FreePBXGrants()...)...)
	vault = filepath.Join(t.TempDir(), "secrets")
	options := pbx.Options{ConfigDir: p.Path("/etc/asterisk"), Vault: pbx.NewFileVault(vault), Database: o}
	for _, c := range change {
		c(&options)
	}
	conn, err := p.Lab.PBX.Dial(t.Context(), "tcp", lab.AMIAddress)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ami.NewClient(t.Context(), conn, func(time.Time, *event.Block) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(soon(t), lab.AMIUser, lab.AMISecret, "off"); err != nil {
		t.Fatal(err)
	}
	return pbx.New(c, options), vault
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// login tells whether the PBX takes a password, from anywhere.
func login(t *testing.T, h *lab.Host, account, password string) bool {
	t.Helper()
	phone, err := h.Phone(account, password, lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	err = phone.Register(soon(t))
	var status *lab.StatusError
	if err != nil && (!errors.As(err, &status) || status.Code != 401 && status.Code != 403) {
		t.Fatal(err)
	}
	if err == nil { // an AOR has room for three
		if err := phone.Unregister(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	return err == nil
}

// pending is what SettlePasswords leaves of one account.
func pending(t *testing.T, m *pbx.Manager, account string) *pbx.NewPassword {
	t.Helper()
	left, err := m.SettlePasswords(soon(t))
	if err != nil {
		t.Error(err)
	}
	for _, p := range left {
		if p.Account == account {
			return &p
		}
	}
	return nil
}

// takes waits until the PBX takes one password of an account and refuses the other: a
// reload of everything goes on after it is acknowledged.
func takes(t *testing.T, when string, h *lab.Host, account, password, not string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		in, out := login(t, h, account, password), !login(t, h, account, not)
		if in && out {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s takes the right password: %v; refuses the other: %v", when, account, in, out)
		}
	}
}

// kept is the newest secret of an account in the vault.
func kept(t *testing.T, vault, account string) string {
	t.Helper()
	text, err := os.ReadFile(vault)
	if err != nil {
		t.Fatal(err)
	}
	secret := ""
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 3 && f[1] == account {
			secret = f[2]
		}
	}
	if secret == "" {
		t.Fatalf("no secret of %s is kept", account)
	}
	return secret
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A stolen password is refused within a moment, and stays so: the new one is in the
// database, from which Apply Config makes the files, and nothing else has changed there.
func TestRotate(t *testing.T) {
	server := freepbx.NewServer(t)
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			p := freepbx.New(t, v, server)
			m, vault := manager(t, p)
			desk, err := p.Host("desk", "198.51.100.10")
			if err != nil {
				t.Fatal(err)
			}
			const stolen = "made-up-secret-of-1002"
			takes(t, "at first", desk, "1002", stolen, "wrong")
			before, err := p.Rows(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			detail, err := m.Rotate(soon(t), "1002")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("in %v: %s", time.Since(start).Round(time.Millisecond), detail)
			fresh := kept(t, vault, "1002")
			if login(t, desk, "1002", stolen) || !login(t, desk, "1002", fresh) {
				t.Error("the new password is not in force")
			}
			after, err := p.Rows(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if changed := freepbx.Changed(before, after); !slices.Equal(changed, []string{"admin  need_reload", "sip 1002 secret"}) {
				t.Errorf("rows changed: %q", changed)
			}
			if p.Secret(t, "1002") != fresh || !p.Button(t) {
				t.Errorf("the database has not the new password, or does not ask for Apply Config")
			}
			// The button is pressed.
			time.Sleep(time.Second) // file times
			p.ApplyConfig(t)
			takes(t, "after Apply Config", desk, "1002", fresh, stolen)
			file := map[lab.Version]string{lab.Asterisk22: "pjsip.auth", lab.Asterisk16: "sip"}[v]
			if left := pending(t, m, "1002"); left != nil {
				t.Errorf("left over the generated file: %+v", left)
			}
			if got := strings.TrimSpace(text(t, p.File(file+"_custom_post.conf"))); got != "" {
				t.Errorf("the override is left:\n%s", got)
			}
			takes(t, "without the override", desk, "1002", fresh, stolen)
			p.ApplyConfig(t)
			takes(t, "after another Apply Config", desk, "1002", fresh, stolen)
			// A backup of the time before is restored.
			if err := p.SetSecret(t.Context(), "1002", stolen); err != nil {
				t.Fatal(err)
			}
			p.ApplyConfig(t)
			takes(t, "after a restored database", desk, "1002", stolen, fresh)
			if detail, err := m.RestorePassword(soon(t), "1002"); err != nil || p.Secret(t, "1002") != fresh {
				t.Errorf("put back: %q, %v", detail, err)
			}
			takes(t, "put back", desk, "1002", fresh, stolen)
			p.ApplyConfig(t)
			for _, other := range []string{"1001", "1003"} {
				if !login(t, desk, other, "made-up-secret-of-"+other) {
					t.Errorf("%s was hit", other)
				}
			}
			if _, err := m.Rotate(soon(t), "1003"); err != nil {
				t.Errorf("1003: %v", err)
			}
			takes(t, "1003", desk, "1003", kept(t, vault, "1003"), "made-up-secret-of-1003")

			whatADatabaseThatIsDownCosts(t, p, m, desk, vault)
			if v == lab.Asterisk22 {
				noTrunk(t, p, m)
				onIssabel(t, p, m, desk, vault)
			}
		})
	}
}

// whatADatabaseThatIsDownCosts: the thief is out all the same, the detail says what is
// missing, and it is made up for; a person's own change wins over it.
func whatADatabaseThatIsDownCosts(t *testing.T, p *freepbx.PBX, m *pbx.Manager, desk *lab.Host, vault string) {
	t.Helper()
	stolen := p.Secret(t, "1001")
	if err := p.Server.Stop(); err != nil {
		t.Fatal(err)
	}
	detail, err := m.Rotate(soon(t), "1001")
	if err != nil || !strings.Contains(detail, "the database does not have it yet") {
		t.Errorf("without the database: %q, %v", detail, err)
	}
	t.Log(detail)
	fresh := kept(t, vault, "1001")
	takes(t, "without the database", desk, "1001", fresh, stolen)
	// Nothing is believed of files that were just written.
	if left := pending(t, m, "1001"); left == nil || !left.Stored.IsZero() {
		t.Errorf("without the database: %+v", left)
	}
	if err := p.Server.Start(soon(t)); err != nil {
		t.Fatal(err)
	}
	p.ApplyConfig(t) // with the stolen password in the database
	takes(t, "after Apply Config with the stolen password", desk, "1001", fresh, stolen)
	time.Sleep(2100 * time.Millisecond)
	if left := pending(t, m, "1001"); left == nil || left.Stored.IsZero() || p.Secret(t, "1001") != fresh {
		t.Errorf("the database is back: %+v", left)
	}
	// A person chooses another one before anybody presses the button.
	if err := p.SetSecret(t.Context(), "1001", "a-persons-own-choice"); err != nil {
		t.Fatal(err)
	}
	p.ApplyConfig(t)
	time.Sleep(2100 * time.Millisecond)
	if left, err := m.SettlePasswords(soon(t)); err != nil || len(left) > 0 {
		t.Errorf("after a person's change: %+v, %v", left, err) // of 1003 neither
	}
	takes(t, "a person's own choice", desk, "1001", "a-persons-own-choice", fresh)
}

// noTrunk: a carrier's password is not ours to change.
func noTrunk(t *testing.T, p *freepbx.PBX, m *pbx.Manager) {
	t.Helper()
	before := text(t, p.File("pjsip.auth_custom_post.conf"))
	if _, err := m.Rotate(soon(t), "carrier"); err == nil || before != text(t, p.File("pjsip.auth_custom_post.conf")) {
		t.Errorf("a trunk: %v", err)
	} else {
		t.Log(err)
	}
}

// onIssabel: the same way, with the file that Issabel leaves to a person.
func onIssabel(t *testing.T, p *freepbx.PBX, m *pbx.Manager, desk *lab.Host, vault string) {
	t.Helper()
	p.Issabel = true
	p.ApplyConfig(t)
	stolen := p.Secret(t, "1002")
	takes(t, "Issabel", desk, "1002", stolen, "wrong")
	detail, err := m.Rotate(soon(t), "1002")
	if err != nil || !strings.Contains(detail, "pjsip_custom_post.conf") {
		t.Fatalf("Issabel: %q, %v", detail, err)
	}
	fresh := kept(t, vault, "1002")
	takes(t, "Issabel, at once", desk, "1002", fresh, stolen)
	if p.Secret(t, "1002") != fresh {
		t.Error("Issabel's database does not have it")
	}
	p.ApplyConfig(t)
	if left := pending(t, m, "1002"); left != nil {
		t.Errorf("left over Issabel's file: %+v", left)
	}
	takes(t, "Issabel, after Apply Config", desk, "1002", fresh, stolen)
}
