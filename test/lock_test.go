package test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// A locked account calls nobody, through reloads and restarts of everything,
// until it is unlocked; its neighbours notice nothing.
func TestLock(t *testing.T) {
	for _, tc := range []struct {
		name, account string
		o             lab.Options
	}{
		{"PJSIP file", "1002", lab.Options{Version: lab.Asterisk22}},
		{"PJSIP realtime", lab.RealtimeAccount, lab.Options{Version: lab.Asterisk22, Realtime: true}},
		{"chan_sip", "1002", lab.Options{Version: lab.Asterisk16}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := lab.New(t, tc.o)
			w := guardWith(t, l, "")
			p := addPhone(t, addHost(t, l, "desk", "198.51.100.11"), tc.account)
			other := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1001")
			register(t, p)
			register(t, other)
			order := func(what string) {
				t.Helper()
				out, err := w.tollwarden(what, tc.account, "--socket", w.socket())
				if err != nil {
					t.Fatalf("%s: %v: %s", what, err, out)
				}
				t.Log(strings.TrimSpace(out))
			}
			may := func(when string, p *lab.Phone, want bool) {
				t.Helper()
				call, err := p.Call(soon(t), "00442079460001")
				if (err == nil) != want {
					t.Errorf("%s: %s calls: %v, want %v", when, p.Account, err, want)
				}
				if err == nil {
					_ = call.Hangup(soon(t))
				}
			}
			may("before", p, true)
			order("lock")
			may("locked", p, false)
			may("locked", other, true)
			if _, err := l.CLI(t.Context(), "core reload"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			may("after a reload", p, false)
			w.stop(syscall.SIGTERM)
			if err := l.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			register(t, p)
			may("after a restart of Asterisk, without the daemon", p, false)
			w.start()
			order("unlock")
			may("unlocked", p, true)
			if out, err := w.tollwarden("unlock", tc.account, "--socket", w.socket()); err == nil {
				t.Errorf("unlocked twice: %s", out)
			}
		})
	}
}
