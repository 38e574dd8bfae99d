package pbx_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/test/lab"
)

// onBoth runs a test against each version of Asterisk, in a lab of its own.
func onBoth(t *testing.T, o lab.Options, test func(t *testing.T, l *lab.Lab)) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			o := o
			o.Version = v
			test(t, lab.New(t, o))
		})
	}
}

func login(t *testing.T, l *lab.Lab, user, secret string) *ami.Client {
	t.Helper()
	ctx := soon(t)
	conn, err := l.PBX.Dial(ctx, "tcp", lab.AMIAddress)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ami.NewClient(ctx, conn, func(time.Time, *event.Block) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(ctx, user, secret, "off"); err != nil {
		t.Fatal(err)
	}
	return c
}

// manager acts as the daemon would, with the secrets in the file it returns.
func manager(t *testing.T, l *lab.Lab, change ...func(*pbx.Options)) (m *pbx.Manager, vault string) {
	t.Helper()
	vault = filepath.Join(t.TempDir(), "secrets")
	o := pbx.Options{
		ConfigDir: l.Path("/etc/asterisk"),
		Vault:     pbx.NewFileVault(vault),
	}
	for _, c := range change {
		c(&o)
	}
	return pbx.New(login(t, l, lab.AMIUser, lab.AMISecret), o), vault
}

// soon is time enough for anything the PBX does at once.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func host(t *testing.T, l *lab.Lab, name, address string) *lab.Host {
	t.Helper()
	h, err := l.Host(name, address)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func phone(t *testing.T, h *lab.Host, account string) *lab.Phone {
	t.Helper()
	p, err := h.Phone(account, "", lab.PhoneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// registers reports whether the PBX takes the phone's password.
func registers(t *testing.T, p *lab.Phone) bool {
	t.Helper()
	err := p.Register(soon(t))
	var status *lab.StatusError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return err == nil
}

// expire removes the account's registrations and says how many there were.
func expire(t *testing.T, m *pbx.Manager, account string) (removed int, err error) {
	t.Helper()
	detail, err := m.RemoveRegistrations(soon(t), account)
	if _, serr := fmt.Sscanf(detail, "%d registration", &removed); serr != nil {
		t.Errorf("detail %q: %v", detail, serr)
	}
	return removed, err
}

// kept is the last secret of the account in the vault.
func kept(t *testing.T, vault, account string) string {
	t.Helper()
	text, err := os.ReadFile(vault)
	if err != nil {
		t.Fatal(err)
	}
	secret := ""
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 && f[1] == account {
			secret = f[2]
		}
	}
	if secret == "" {
		t.Fatalf("no secret of %s in the vault:\n%s", account, text)
	}
	return secret
}

// rotate rotates and proves by registering that only the new secret works.
func rotate(t *testing.T, m *pbx.Manager, vault string, p *lab.Phone) string {
	t.Helper()
	start := time.Now()
	detail, err := m.Rotate(soon(t), p.Account)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("rotated %s in %v: %s", p.Account, time.Since(start).Round(time.Millisecond), detail)
	secret := kept(t, vault, p.Account)
	if strings.Contains(detail, secret) {
		t.Error("the detail shows the secret")
	}
	if registers(t, p) {
		t.Errorf("the old secret of %s still works", p.Account)
	}
	p.SetPassword(secret)
	if !registers(t, p) {
		t.Errorf("the new secret of %s does not work", p.Account)
	}
	return detail
}

// confFiles are the config files of the PBX without what the rotation adds.
func confFiles(t *testing.T, l *lab.Lab) (files, added []string) {
	t.Helper()
	all, err := filepath.Glob(l.Path("/etc/asterisk/*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(l.Path("/etc/asterisk/.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(all, hidden...) {
		if strings.Contains(filepath.Base(f), "tollwarden") {
			added = append(added, f)
		} else {
			files = append(files, f)
		}
	}
	return files, added
}

func TestRotateEveryKindOfSecret(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		m, vault := manager(t, l)
		bystander := phone(t, office, "1001")
		if !registers(t, bystander) {
			t.Fatal("1001 cannot register")
		}
		before, err := os.ReadFile(l.Path("/etc/asterisk/" + l.ConfFile()))
		if err != nil {
			t.Fatal(err)
		}
		for _, account := range []string{"1002", "1004", "1005"} { // own section, template, md5
			p := phone(t, office, account)
			if !registers(t, p) {
				t.Fatalf("%s cannot register before", account)
			}
			rotate(t, m, vault, p)
			rotate(t, m, vault, p) // and once more, from what the first one left
		}
		if !registers(t, bystander) {
			t.Error("1001 was hit")
		}
		third := phone(t, office, "1003")
		if !registers(t, third) {
			t.Error("1003 was hit")
		}
		_, added := confFiles(t, l)
		if len(added) != 6 {
			t.Fatalf("copies: %q, want one per rotation", added)
		}
		slices.Sort(added)
		first, err := os.ReadFile(added[0])
		if err != nil || string(first) != string(before) {
			t.Errorf("the first copy is not the file as it was (%v)", err)
		}
	})
}

func TestRotateTwoAccountsAtOnce(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		m, vault := manager(t, l)
		var wg sync.WaitGroup
		for _, account := range []string{"1001", "1002", "1002"} {
			wg.Go(func() {
				if _, err := m.Rotate(t.Context(), account); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, account := range []string{"1001", "1002"} {
			p := phone(t, office, account)
			if registers(t, p) {
				t.Errorf("the old secret of %s still works", account)
			}
			p.SetPassword(kept(t, vault, account))
			if !registers(t, p) {
				t.Errorf("the new secret of %s does not work", account)
			}
		}
	})
}

// included puts accounts into files of their own, as larger installations do.
var included = map[string]string{
	"pjsip.conf": `
#include pjsip_alone.conf
#include pjsip_phones.conf
`,
	"sip.conf": `
#include sip_alone.conf
#include sip_phones.conf
`,
}

var includedFiles = map[string]string{
	"pjsip_alone.conf": `; loads by itself
[2001]
type = endpoint ; the office's first
context = internal
disallow = all
allow = ulaw
auth = 2001
aors = 2001
[2001]
type = auth
username = 2001
password = alone-2001 ; keep this remark
[2001]
type = aor
max_contacts = 2
`,
	"pjsip_phones.conf": `; needs the templates of pjsip.conf
[2002](phone)
auth = login-2002
aors = 2002
[login-2002](login)
username = 2002
password = phones-2002
[2002](place)

[2003](phone)
auth = 2003
aors = 2003
[2003](shared-login)
username = 2003
[2003](place)
`,
	"sip_alone.conf": `; loads by itself
[2001]
type = friend ; the office's first
host = dynamic
context = internal
secret = alone-2001 ; keep this remark
`,
	"sip_phones.conf": `; needs the templates of sip.conf
[2002](phone)
secret = phones-2002

[2003](shared-phone)
callerid = "Three" <2003>
`,
}

func TestRotateInIncludedFiles(t *testing.T) {
	for _, direct := range []bool{false, true} {
		name := "UpdateConfig"
		if direct {
			name = "one-line edit"
		}
		t.Run(name, func(t *testing.T) {
			onBoth(t, lab.Options{Append: included, Files: includedFiles}, func(t *testing.T, l *lab.Lab) {
				office := host(t, l, "office", "198.51.100.10")
				m, vault := manager(t, l, func(o *pbx.Options) { o.DirectEdit = direct })
				for account, password := range map[string]string{
					"2001": "alone-2001", "2002": "phones-2002", "2003": lab.Passwords["1004"],
				} {
					p := phone(t, office, account)
					p.SetPassword(password)
					if !registers(t, p) {
						t.Fatalf("%s cannot register before", account)
					}
					detail := rotate(t, m, vault, p)
					if direct && strings.Contains(detail, "UpdateConfig") {
						t.Error("UpdateConfig was used")
					}
				}
				for account := range lab.Passwords {
					if account != lab.RealtimeAccount && !registers(t, phone(t, office, account)) {
						t.Errorf("%s was hit", account)
					}
				}
				var remarks int
				for file := range includedFiles {
					text, err := os.ReadFile(l.Path("/etc/asterisk/" + file))
					if err != nil {
						t.Fatal(err)
					}
					remarks += strings.Count(string(text), "; keep this remark")
				}
				if remarks != 2 {
					t.Error("a remark was lost")
				}
			})
		})
	}
}

func TestRotateRealtime(t *testing.T) {
	l := lab.New(t, lab.Options{Realtime: true})
	office := host(t, l, "office", "198.51.100.10")
	m, vault := manager(t, l)
	p := phone(t, office, lab.RealtimeAccount)
	if !registers(t, p) {
		t.Fatal("the account cannot register before")
	}
	if detail := rotate(t, m, vault, p); !strings.Contains(detail, "realtime family ps_auths") {
		t.Errorf("detail: %s", detail)
	}
	rotate(t, m, vault, phone(t, office, "1002")) // still from the file
	if n, err := expire(t, m, lab.RealtimeAccount); err != nil || n != 1 {
		t.Errorf("expired %d contacts, %v", n, err)
	}
}

func TestRemoveRegistrations(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		office, thief := host(t, l, "office", "198.51.100.10"), host(t, l, "thief", "203.0.113.66")
		m, _ := manager(t, l)
		owner, rogue, bystander := phone(t, office, "1002"), phone(t, thief, "1002"), phone(t, office, "1001")
		for _, p := range []*lab.Phone{owner, rogue, bystander} {
			if !registers(t, p) {
				t.Fatal("cannot register before")
			}
		}
		of := func(account string) []places.Contact {
			all, err := m.Contacts(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(all, func(c places.Contact) bool { return c.Account != account })
		}
		want := map[string]int{"PJSIP": 2, "SIP": 1}[l.Technology()] // a chan_sip peer has one place
		got := of("1002")
		if len(got) != want {
			t.Fatalf("contacts %+v, want %d", got, want)
		}
		for _, c := range got {
			if via := netip.AddrPortFrom(c.Source, c.Port); via != rogue.Source() && via != owner.Source() {
				t.Errorf("contact by %v, phones are at %v and %v", via, rogue.Source(), owner.Source())
			}
		}
		start := time.Now()
		if n, err := expire(t, m, "1002"); err != nil || n != want {
			t.Fatalf("expired %d, %v; want %d", n, err, want)
		}
		t.Logf("expired in %v", time.Since(start).Round(time.Millisecond))
		if left := of("1002"); len(left) != 0 {
			t.Errorf("contacts left: %+v", left)
		}
		if len(of("1001")) != 1 {
			t.Error("1001 was hit")
		}
		if n, err := expire(t, m, "1002"); err != nil || n != 0 {
			t.Errorf("again: expired %d, %v", n, err)
		}
	})
}

func TestHangup(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		office, thief := host(t, l, "office", "198.51.100.10"), host(t, l, "thief", "203.0.113.66")
		m, _ := manager(t, l)
		owner, rogue := phone(t, office, "1001"), phone(t, thief, "1002")
		ours, err := owner.Call(soon(t), "0044123456")
		if err != nil {
			t.Fatal(err)
		}
		var rogues []*lab.Call
		for range 20 {
			c, err := rogue.Call(soon(t), "0011442079460001")
			if err != nil {
				t.Fatal(err)
			}
			rogues = append(rogues, c)
		}
		all, err := m.Channels(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(all, func(c calls.Channel) bool { return c.Account == "1002" }); len(all) != 21 || i < 0 ||
			all[i].Dialled != "0011442079460001" || all[i].Answered.IsZero() || !strings.HasPrefix(all[i].Name, l.Technology()+"/") || all[i].Linkedid == "" {
			t.Errorf("channels: %+v", all)
		}
		start := time.Now()
		ended, err := m.Hangup(soon(t), "1002", nil)
		took := time.Since(start)
		if err != nil || len(ended) != 20 {
			t.Fatalf("ended %d channels, %v: %q", len(ended), err, ended)
		}
		t.Logf("ended 20 channels in %v", took.Round(time.Millisecond))
		for _, c := range rogues {
			select {
			case <-c.Ended():
			case <-time.After(10 * time.Second):
				t.Fatal("a rogue call goes on")
			}
		}
		if ok, err := ours.Alive(soon(t)); err != nil || !ok {
			t.Errorf("the call of 1001 was hit: %v", err)
		}
		if ended, err := m.Hangup(soon(t), "1002", nil); err != nil || len(ended) != 0 {
			t.Errorf("again: %q, %v", ended, err)
		}
		if ended, err := m.Hangup(soon(t), "100.", nil); err != nil || len(ended) != 0 {
			t.Errorf("a name with a dot matched %q, %v", ended, err)
		}
	})
}

func TestUserWithoutPrivileges(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		vault := filepath.Join(t.TempDir(), "secrets")
		m := pbx.New(login(t, l, lab.WatcherUser, lab.WatcherSecret), pbx.Options{
			ConfigDir: l.Path("/etc/asterisk"), Vault: pbx.NewFileVault(vault),
		})
		_, herr := m.Hangup(soon(t), "1002", nil)
		_, rerr := m.Rotate(soon(t), "1002")
		_, eerr := m.RemoveRegistrations(soon(t), "1002")
		errs := map[string]error{"hangup": herr, "rotate": rerr, "remove-registrations": eerr}
		if l.Version == lab.Asterisk22 { // class reporting may list chan_sip's
			_, errs["contacts"] = m.Contacts(soon(t))
			_, errs["accounts"] = m.Accounts(soon(t))
			_, errs["carriers"] = m.Carriers(soon(t))
		}
		for step, err := range errs {
			var denied *pbx.PermissionError
			if step == "remove-registrations" && l.Version == lab.Asterisk16 && err == nil {
				continue // nobody is registered: nothing had to be done
			}
			if !errors.As(err, &denied) || len(denied.Classes) == 0 {
				t.Errorf("%s: %v", step, err)
			}
			t.Logf("%s: %v", step, err)
		}
		if _, err := os.Stat(vault); err == nil {
			t.Error("a secret was kept though nothing could be changed")
		}
		p, err := m.Privileges(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", p)
		var steps []incident.StepKind
		for _, lack := range p.Lacks {
			steps = append(steps, lack.Step)
		}
		if !slices.Contains(steps, incident.StepHangup) || !slices.Contains(steps, incident.StepRotate) || !slices.Contains(steps, incident.StepRemoveRegistrations) {
			t.Errorf("lacks: %v", p.Lacks)
		}

		full := pbx.New(login(t, l, lab.AMIUser, lab.AMISecret), pbx.Options{})
		p, err = full.Privileges(soon(t))
		if err != nil || len(p.Lacks) != 0 {
			t.Errorf("the daemon's user lacks %v, %v", p.Lacks, err)
		}
		if len(p.Technologies) != 1 || string(p.Technologies[0]) != l.Technology() {
			t.Errorf("technologies %v", p.Technologies)
		}
	})
}

func TestStanzaIsEnough(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		m, _ := manager(t, l)
		p, err := m.Privileges(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		stanza := pbx.Stanza("smallest", "lab-smallest", netip.MustParseAddr("127.0.0.1"), p.Write(incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, pbx.StepResync, pbx.StepPorts))
		t.Logf("\n%s", stanza)
		f, err := os.OpenFile(l.Path("/etc/asterisk/manager.conf"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("\n" + stanza); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, err := l.CLI(soon(t), "manager reload"); err != nil {
			t.Fatal(err)
		}
		vault := filepath.Join(t.TempDir(), "secrets")
		small := pbx.New(login(t, l, "smallest", "lab-smallest"), pbx.Options{
			ConfigDir: l.Path("/etc/asterisk"), Vault: pbx.NewFileVault(vault),
		})
		p, err = small.Privileges(soon(t))
		lacks := slices.DeleteFunc(p.Lacks, func(l pbx.Lack) bool { return l.Step == incident.StepLock }) // which is not among the steps above
		if err != nil || len(lacks) != 0 {
			t.Errorf("lacks %v, %v", lacks, err)
		}
		office := host(t, l, "office", "198.51.100.10")
		ph := phone(t, office, "1002")
		if !registers(t, ph) {
			t.Fatal("cannot register before")
		}
		rotate(t, small, vault, ph)
		if n, err := expire(t, small, "1002"); err != nil || n != 1 {
			t.Errorf("expired %d, %v", n, err)
		}
		if _, err := small.Hangup(soon(t), "1002", nil); err != nil {
			t.Error(err)
		}
		if _, err := small.Contacts(soon(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedRotationLeavesTheFilesAsTheyWere(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		conf := l.Path("/etc/asterisk/" + l.ConfFile())
		before, err := os.ReadFile(conf)
		if err != nil {
			t.Fatal(err)
		}
		vault := filepath.Join(t.TempDir(), "secrets")
		// The connection fails when Asterisk is to read the change.
		m := pbx.New(noReload{login(t, l, lab.AMIUser, lab.AMISecret), new(bool)}, pbx.Options{
			ConfigDir: l.Path("/etc/asterisk"), Vault: pbx.NewFileVault(vault),
		})
		_, err = m.Rotate(soon(t), "1002")
		if err == nil {
			t.Fatal("no error")
		}
		t.Log(err)
		after, rerr := os.ReadFile(conf)
		if rerr != nil || string(after) != string(before) {
			t.Errorf("the file is not as it was (%v)", rerr)
		}
		if text, _ := os.ReadFile(vault); !strings.Contains(string(text), "not in force") || strings.Count(string(text), "\n") != 2 {
			t.Errorf("the vault does not say so:\n%s", text)
		}
		if !registers(t, phone(t, office, "1002")) {
			t.Error("the old secret does not work any more")
		}
	})
}

// noReload is a connection on which the first Reload fails.
type noReload struct {
	ami.Doer
	failed *bool
}

func (d noReload) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	if a.Name == "Reload" && !*d.failed {
		*d.failed = true
		return nil, errors.New("connection lost")
	}
	return d.Doer.Do(ctx, a)
}

// An identify object in a database is trusted as one in a file is.
func TestRealtimeIdentifyIsACarrier(t *testing.T) {
	l := lab.New(t, lab.Options{Realtime: true})
	m, _ := manager(t, l)
	list, err := m.Carriers(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := (places.Protected{Prefix: netip.MustParsePrefix("203.0.113.96/28"), Why: "identify of branch"}); !slices.Contains(list, want) {
		t.Errorf("carriers: %+v, want %+v", list, want)
	}
}

// What is asked every few minutes leaves no error in Asterisk's security log,
// whichever channel driver is not there.
func TestLookingRoundIsNoError(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		m, _ := manager(t, l)
		accounts, err := m.Accounts(soon(t))
		if err != nil || len(accounts) == 0 {
			t.Fatalf("accounts: %v, %v", accounts, err)
		}
		if _, err := m.Contacts(soon(t)); err != nil {
			t.Error(err)
		}
		if _, err := m.Carriers(soon(t)); err != nil {
			t.Error(err)
		}
		_, _ = m.Rotate(soon(t), "nobody") // this one is an error, and comes after what might have been
		var text []byte
		for end := time.Now().Add(5 * time.Second); !strings.Contains(string(text), "RequestBadFormat") && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if text, err = os.ReadFile(l.Path("/var/log/asterisk/security")); err != nil {
				t.Fatal(err)
			}
		}
		for _, action := range []string{"SIPpeers", "SIPshowregistry", "PJSIPShowEndpoints", "PJSIPShowContacts", "PJSIPShowRegistrationsOutbound"} {
			if strings.Contains(string(text), "Action: "+action+`"`) {
				t.Errorf("asked in vain: %s", action)
			}
		}
		if !strings.Contains(string(text), "RequestBadFormat") {
			t.Error("the security log is not read")
		}
	})
}

// A chan_sip peer that FreePBX generates has a deny and a permit that let
// everybody in: the restriction goes behind them, in the file that is a
// person's, and ends without a trace.
func TestRestrictInGeneratedSIP(t *testing.T) {
	files := map[string]string{
		"sip_additional.conf":  "; Do NOT edit this file as it is auto-generated by FreePBX.\n[3001]\ndeny=0.0.0.0/0.0.0.0\ntype=friend\nhost=dynamic\nsecret=generated-3001\ncontext=internal\npermit=0.0.0.0/0.0.0.0\n",
		"sip_custom_post.conf": "",
	}
	l := lab.New(t, lab.Options{Version: lab.Asterisk16, Files: files, Append: map[string]string{
		"sip.conf": "#include sip_additional.conf\n#include sip_custom_post.conf\n",
	}})
	m, _ := manager(t, l)
	owner, stranger := phone(t, host(t, l, "office", "198.51.100.10"), "3001"), phone(t, host(t, l, "hotel", "192.0.2.90"), "3001")
	owner.SetPassword("generated-3001")
	stranger.SetPassword("generated-3001")
	to := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	if detail, err := m.Restrict(soon(t), "3001", to); err != nil || !strings.Contains(detail, "sip_custom_post.conf") {
		t.Fatalf("%q, %v", detail, err)
	}
	if !registers(t, owner) || registers(t, stranger) {
		t.Error("the owner is not let in, or a stranger is")
	}
	if detail, err := m.Unrestrict(soon(t), "3001", to); err != nil {
		t.Fatalf("%q, %v", detail, err)
	}
	if !registers(t, stranger) {
		t.Error("lifted, and a stranger is not let in")
	}
	for name, want := range files {
		if text, err := os.ReadFile(l.Path("/etc/asterisk/" + name)); err != nil || string(text) != want {
			t.Errorf("%s is now %q, %v", name, text, err)
		}
	}
}
