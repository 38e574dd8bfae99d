package test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// A restored backup brings the stolen password back and takes a lock away, twice, the second
// time while the daemon is killed: the password is refused again within two seconds, who
// came in meanwhile is out, and the lock holds. A password that a person sets stays.
func TestOrdersHold(t *testing.T) {
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel() // it mostly waits
			l := lab.New(t, lab.Options{Version: v})
			conf := l.Path("/etc/asterisk/" + l.ConfFile())
			backup, err := os.ReadFile(conf)
			if err != nil {
				t.Fatal(err)
			}
			w := guardWith(t, l, "")
			office, hotel := addHost(t, l, "office", "198.51.100.10"), addHost(t, l, "hotel", "192.0.2.90")
			phoneAt := func(h *lab.Host, account string) *lab.Phone {
				t.Helper()
				p, err := h.Phone(account, "", lab.PhoneOptions{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = p.Close() })
				return p
			}
			register(t, phoneAt(office, "1002"))
			colleague, thief := phoneAt(office, "1001"), phoneAt(hotel, "1002")
			register(t, colleague)
			for _, line := range []string{"lock 1001", "rotate 1002"} {
				if out, err := w.tollwarden(append(strings.Fields(line), "--socket", w.socket())...); err != nil {
					t.Fatalf("%s: %v: %s", line, err, out)
				}
			}
			refused := func() bool { return thief.Register(soon(t)) != nil }
			if !refused() {
				t.Fatal("the old password is still valid")
			}
			restore := func(kill bool) {
				t.Helper()
				if kill {
					w.stop(syscall.SIGKILL)
				}
				if err := os.WriteFile(conf, backup, 0o640); err != nil {
					t.Fatal(err)
				}
				if _, err := l.CLI(soon(t), "core reload"); err != nil {
					t.Fatal(err)
				}
				if kill {
					w.wait("the thief to come in while the daemon is dead", 10*time.Second, func() bool { return !refused() })
					w.start()
				}
				took := w.wait("the old password to be refused", 10*time.Second, refused)
				t.Logf("refused after %v", took)
				if took > 2500*time.Millisecond {
					t.Errorf("refused only after %v", took)
				}
				w.wait("the thief's registration to go", 5*time.Second, func() bool { return !registeredFrom(w, "1002", "192.0.2.90") })
				w.wait("the lock", 5*time.Second, func() bool {
					out, err := w.tollwarden("orders", "--json", "--socket", w.socket())
					return err == nil && strings.Count(out, `"state": "in force"`) == 2 && strings.Count(out, `"repairs"`) == 2
				})
				calls(t, "after the backup", colleague, false)
			}
			restore(false)
			restore(true)

			out, err := w.tollwarden("orders", "--socket", w.socket())
			t.Logf("%s%v", out, err)
			text, err := os.ReadFile(conf)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := os.ReadFile(w.dir + "/data/secrets")
			if err != nil {
				t.Fatal(err)
			}
			fields := strings.Fields(string(secret))
			if err := os.WriteFile(conf, []byte(strings.ReplaceAll(string(text), fields[len(fields)-1], "a-persons-own-Xy7")), 0o640); err != nil {
				t.Fatal(err)
			}
			if _, err := l.CLI(soon(t), "core reload"); err != nil {
				t.Fatal(err)
			}
			w.wait("the order to end", 10*time.Second, func() bool {
				out, err := w.tollwarden("orders", "--json", "--socket", w.socket())
				return err == nil && strings.Contains(out, "ended by a person")
			})
			if text, err := os.ReadFile(conf); err != nil || !strings.Contains(string(text), "a-persons-own-Xy7") {
				t.Errorf("the person's password is gone: %v", err)
			}
			if code, out := w.status(); code != 0 {
				t.Errorf("status %d: %s", code, out)
			}
		})
	}
}

// registeredFrom says whether Asterisk holds a registration of an account from an address.
func registeredFrom(w *warden, account, at string) bool {
	w.t.Helper()
	command := "pjsip show contacts"
	if w.lab.Technology() == "SIP" {
		command = "sip show peers like " + account
	}
	out, err := w.lab.CLI(soon(w.t), command)
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, account) && strings.Contains(line, at) {
			return true
		}
	}
	return false
}
