package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// helplines lead to an emergency number by a carrier, from each context to another one.
const helplines = `
[internal](+)
exten => 112,1,Dial(${TECHNOLOGY}/112@carrier,30)
 same => n,Hangup()
[sales]
exten => 999,1,Dial(${TECHNOLOGY}/999@carrier,30)
 same => n,Hangup()
`

// helpless forbids what is an emergency number, too, and nearly every call abroad.
const helpless = `
[calls]
country = "GB"
learn = "1s"
deny = ["1", "9", "satellite"]
[calls.budget]
minutes = [0, 2]
site = { minutes = [0, 0], money = [0, 0] }
`

// A call for help goes out at once and stays up, whatever is taken from its extension: its
// budget is used up, its number is forbidden, it is locked, also after the dialplan was
// loaded again, its calls are ended, its password is changed.
// It is not counted. Nothing else leaves a locked extension.
func TestCallsForHelpGoOut(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			conf := carriers[v][confFile(v)] + "\n[1003](+)\ncontext = sales\n"
			if v == lab.Asterisk22 {
				conf = carriers[v][confFile(v)] + "\n[1003](+type=endpoint)\ncontext = sales\n"
			}
			l := lab.New(t, lab.Options{Version: v, Append: map[string]string{"extensions.conf": routes + helplines, confFile(v): conf}})
			carrier, err := addHost(t, l, "carrier", trunkAddress).Phone("carrier", "none", lab.PhoneOptions{Port: 5060})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = carrier.Close() })
			go func() {
				for range carrier.Incoming() { // answered
				}
			}()
			office := addHost(t, l, "office", "198.51.100.10")
			phone, sales := addPhone(t, office, "1002"), addPhone(t, office, "1003")
			register(t, phone)
			register(t, sales)
			median := func() time.Duration { // until the carrier has answered
				var took []time.Duration
				for range 9 {
					start := time.Now()
					c, err := phone.Call(soon(t), "112")
					if err != nil {
						t.Fatal(err)
					}
					took = append(took, time.Since(start))
					_ = c.Hangup(soon(t))
				}
				slices.Sort(took)
				return took[len(took)/2].Round(10 * time.Microsecond)
			}
			without := median()

			w := guardWith(t, l, helpless)
			order := func(args ...string) string {
				t.Helper()
				out, err := w.tollwarden(append(args, "--socket", w.socket())...)
				if err != nil {
					t.Fatalf("%v: %v: %s", args, err, out)
				}
				return out
			}
			time.Sleep(1100 * time.Millisecond) // until the first days are over
			with := median()
			help, err := phone.Call(soon(t), "112")
			if err != nil {
				t.Fatal(err)
			}
			stands := func(when string) {
				t.Helper()
				if up, err := help.Alive(soon(t)); err != nil || !up {
					t.Errorf("%s: the call for help is up %v, %v", when, up, err)
				}
				c, err := phone.Call(soon(t), "112")
				if err != nil {
					t.Errorf("%s: a call for help: %v", when, err)
					return
				}
				_ = c.Hangup(soon(t))
			}
			abroad, err := phone.Call(soon(t), "0033142345678")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond) // slower than a machine dials
			if _, err := phone.Call(soon(t), "0033142345679"); err != nil {
				t.Fatal(err)
			}
			select {
			case <-abroad.Ended():
			case <-time.After(10 * time.Second):
				t.Error("the budget ends no call")
			}
			stands("budget used up")
			if out := order("spending"); strings.Contains(out, "112") || !strings.Contains(out, "1002") {
				t.Errorf("spending: %s", out)
			}
			standing, err := phone.Call(soon(t), inBritain)
			if err != nil {
				t.Fatal(err)
			}
			order("hangup", "1002")
			select {
			case <-standing.Ended():
			case <-time.After(5 * time.Second):
				t.Error("the other call is not ended")
			}
			stands("its calls are ended")

			for _, account := range []string{"1002", "1003"} {
				if out := order("lock", account); !strings.Contains(out, "emergency calls still work") {
					t.Error(out)
				}
			}
			stands("locked")
			calls(t, "locked", phone, false)
			c, err := sales.Call(soon(t), "999")
			if err != nil {
				t.Errorf("locked, from another context: %v", err)
			} else {
				_ = c.Hangup(soon(t))
			}
			for _, number := range []string{"1125", "112w00881612345678", "00881612345678", "100", "1003"} {
				if c, err := phone.Call(shortly(t), number); err == nil {
					t.Errorf("locked, %s is answered", number)
					_ = c.Hangup(soon(t))
				}
			}
			locked := median()
			if _, err := l.CLI(t.Context(), "dialplan reload"); err != nil {
				t.Fatal(err)
			}
			took := w.wait("help after the dialplan was loaded again", 10*time.Second, func() bool {
				c, err := phone.Call(soon(t), "112")
				if err == nil {
					_ = c.Hangup(soon(t))
				}
				return err == nil
			})
			stands("locked, and the dialplan loaded again")
			t.Logf("112 is answered after %s without the daemon, %s with it, %s from a locked extension; %s after a dialplan reload it can be dialled again", without, with, locked, took.Round(time.Millisecond))
			order("unlock", "1002")
			calls(t, "unlocked", phone, true)
			order("compromise", "1002")
			w.wait("the end of it", 15*time.Second, func() bool { return w.workDone("1002") })
			if up, err := help.Alive(shortly(t)); err == nil && !up {
				t.Error("the call for help is ended with a stolen extension")
			}
		})
	}
}
