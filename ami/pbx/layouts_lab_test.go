package pbx_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/test/lab"
)

// Layouts that installations have and UpdateConfig does not survive, and the
// less usual places of a secret.
func TestRotateInUnusualLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		append, files map[string]string
		account       string
		password      string
		says          string // in the detail
	}{
		"digest": {
			append:  map[string]string{"pjsip.conf": "\n[3001](phone)\nauth=3001\naors=3001\n[3001]\ntype=auth\nauth_type=digest\nusername=3001\npassword_digest=MD5:b231843d4b8f8c6f6368258b7464f477\nrealm=asterisk\n[3001](place)\n"},
			account: "3001", password: "digest-3001",
		},
		"wizard": {
			append:  map[string]string{"modules.conf": "load = res_pjsip_config_wizard.so\n"},
			files:   map[string]string{"pjsip_wizard.conf": "[3001]\ntype=wizard\naccepts_registrations=yes\naccepts_auth=yes\ninbound_auth/username=3001\ninbound_auth/password=wizard-3001\nendpoint/context=internal\nendpoint/allow=ulaw\naor/max_contacts=2\n"},
			account: "3001", password: "wizard-3001", says: "pjsip_wizard.conf",
		},
		"section continued": {
			append:  map[string]string{"pjsip.conf": "\n[3001](phone)\nauth=l3001\naors=3001\n[l3001](login)\nusername=3001\n[3001](place)\n[l3001](+)\npassword=plus-3001\n"},
			account: "3001", password: "plus-3001",
		},
		"pattern": {
			append:  map[string]string{"pjsip.conf": "\n#include phones-*.conf\n"},
			files:   map[string]string{"phones-a.conf": "[3001](phone)\nauth=3001\naors=3001\n[3001](login)\nusername=3001\npassword=glob-3001\n[3001](place)\n", "phones-b.conf": "[3002](phone)\nauth=3002\naors=3002\n"},
			account: "3001", password: "glob-3001", says: "phones-a.conf (one-line edit",
		},
		"tryinclude": {
			append:  map[string]string{"pjsip.conf": "\n[3001](phone)\nauth=3001\naors=3001\n[3001](login)\nusername=3001\npassword=try-3001\n[3001](place)\n#tryinclude absent.conf\n"},
			account: "3001", password: "try-3001", says: "one-line edit",
		},
		"own value over the template's, both the same": {
			append:  map[string]string{"pjsip.conf": "\n[3001](phone)\nauth=3001\naors=3001\n[3001](shared-login)\nusername=3001\npassword=office-shared-Mb2\n[3001](place)\n"},
			account: "3001", password: "office-shared-Mb2",
		},
		"own value over the template's": {
			append:  map[string]string{"pjsip.conf": "\n[3001](phone)\nauth=3001\naors=3001\n[3001](shared-login)\nusername=3001\npassword = leaf\\;3001 ; mine\n[3001](place)\n"},
			account: "3001", password: "leaf;3001",
		},
		"names that differ in case": {
			append:  map[string]string{"pjsip.conf": "\n[DESK](login)\nusername=DESK\npassword=CASE-3001\n[desk](phone)\nauth=desk\naors=desk\n[desk](login)\nusername=desk\npassword=case-3001\n[desk](place)\n"},
			account: "desk", password: "case-3001", says: "one-line edit",
		},
		"memory cache before a database": {
			append:  map[string]string{"modules.conf": "load = res_sorcery_memory_cache.so\n", "sorcery.conf": "auth/cache = memory_cache,object_lifetime_maximum=3600\n"},
			account: lab.RealtimeAccount, says: "realtime family",
		},
	} {
		t.Run(name, func(t *testing.T) {
			realtime := c.account == lab.RealtimeAccount
			l := lab.New(t, lab.Options{Append: c.append, Files: c.files, Realtime: realtime})
			if realtime { // the cache has to come before what it caches
				moveCacheFirst(t, l, "auth")
			}
			office := host(t, l, "office", "198.51.100.10")
			m, vault := manager(t, l)
			p := phone(t, office, c.account)
			if c.password != "" {
				p.SetPassword(c.password)
			}
			if !registers(t, p) {
				t.Fatal("cannot register before")
			}
			detail := rotate(t, m, vault, p)
			if !strings.Contains(detail, c.says) {
				t.Errorf("detail %q, want %q", detail, c.says)
			}
			rotate(t, m, vault, p)
			for _, account := range []string{"1001", "1004", "1005"} {
				if !registers(t, phone(t, office, account)) {
					t.Errorf("%s was hit", account)
				}
			}
			if literal, _ := filepath.Glob(l.Path(`/etc/asterisk/phones-\*.conf`)); len(literal) > 0 {
				t.Errorf("left %q", literal)
			}
		})
	}
}

// moveCacheFirst puts the cache that was appended for a type of object before
// what it caches.
func moveCacheFirst(t *testing.T, l *lab.Lab, object string) {
	t.Helper()
	path := l.Path("/etc/asterisk/sorcery.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cache := object + "/cache = memory_cache,object_lifetime_maximum=3600\n"
	moved := strings.Replace(string(text), cache, "", 1)
	moved = strings.Replace(moved, "[res_pjsip]\n", "[res_pjsip]\n"+cache, 1)
	if err := os.WriteFile(path, []byte(moved), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Restart(soon(t)); err != nil {
		t.Fatal(err)
	}
}

// A rotation by the operator's own command, as for FreePBX.
func TestRotateByHook(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		script := filepath.Join(t.TempDir(), "hook")
		module := map[string]string{"PJSIP": "res_pjsip.so", "SIP": "chan_sip.so"}[l.Technology()]
		err := os.WriteFile(script, []byte(fmt.Sprintf(`#!/bin/sh
secret=$(sed 's/.*"secret":"\([^"]*\)".*/\1/')
sed -i "s/office-1002-Wq4/$secret/" %q
exec chroot %q asterisk -rx "module reload %s"
`, l.Path("/etc/asterisk/"+l.ConfFile()), l.Path("/"), module)), 0o700)
		if err != nil {
			t.Fatal(err)
		}
		m, vault := manager(t, l, func(o *pbx.Options) { o.Hook = pbx.Hook{Command: []string{script}} })
		if detail := rotate(t, m, vault, phone(t, office, "1002")); !strings.Contains(detail, "hook") {
			t.Error(detail)
		}
	})
}

// An account of both drivers gets one new secret on both.
func TestRotateOnBothDrivers(t *testing.T) {
	l := lab.New(t, lab.Options{
		Version: lab.Asterisk16,
		Append: map[string]string{"modules.conf": `
load = res_sorcery_memory.so
load = res_sorcery_astdb.so
load = res_pjsip.so
load = res_pjsip_session.so
load = res_pjsip_authenticator_digest.so
load = res_pjsip_endpoint_identifier_user.so
load = res_pjsip_registrar.so
load = chan_pjsip.so
`},
		Files: map[string]string{"pjsip.conf": "[t]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:5070\n[1002]\ntype=endpoint\nauth=1002\n[1002]\ntype=auth\nusername=1002\npassword=pjsip-1002\n"},
	})
	m, vault := manager(t, l)
	detail := rotate(t, m, vault, phone(t, host(t, l, "office", "198.51.100.10"), "1002"))
	if !strings.Contains(detail, "PJSIP auth 1002") || !strings.Contains(detail, "chan_sip peer 1002") {
		t.Error(detail)
	}
	said, err := l.CLI(soon(t), "pjsip show auth 1002")
	if err != nil || !strings.Contains(said, kept(t, vault, "1002")) {
		t.Errorf("PJSIP: %s, %v", said, err)
	}
}

// A thief who redials without pause while being thrown out is out for good once
// the secret is another one.
func TestContainmentOfAThiefWhoRedials(t *testing.T) {
	onBoth(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		thief := host(t, l, "thief", "203.0.113.66")
		m, _ := manager(t, l)
		rogue := phone(t, thief, "1002")
		if !registers(t, rogue) {
			t.Fatal("cannot register before")
		}
		ctx, stop := context.WithCancel(soon(t))
		var wg sync.WaitGroup
		var calls, refused int
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := rogue.Call(ctx, "0011442079460001"); err == nil {
					calls++
				} else {
					refused++
				}
			}
		})
		time.Sleep(300 * time.Millisecond)
		start := time.Now()
		if _, err := m.Rotate(soon(t), "1002"); err != nil {
			t.Error(err)
		}
		if n, err := expire(t, m, "1002"); err != nil || n == 0 {
			t.Errorf("expired %d, %v", n, err)
		}
		ended, err := m.Hangup(soon(t), "1002", nil)
		if err != nil {
			t.Error(err)
		}
		took := time.Since(start)
		time.Sleep(300 * time.Millisecond)
		all, err := m.Channels(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		stop()
		wg.Wait()
		for _, c := range all {
			if c.Account == "1002" && !c.Answered.IsZero() {
				t.Errorf("still up: %+v", c)
			}
		}
		if len(ended) == 0 || refused == 0 {
			t.Errorf("%d channels ended, %d calls refused: the thief was not redialling", len(ended), refused)
		}
		t.Logf("%d calls went out; %d channels ended; all contained in %v", calls, len(ended), took.Round(time.Millisecond))
	})
}

// How long a rotation takes where there are many accounts.
func TestRotateAmongManyAccounts(t *testing.T) {
	const accounts = 1000
	var pj, sip strings.Builder
	for i := range accounts {
		n := 5000 + i
		fmt.Fprintf(&pj, "\n[%d](phone)\nauth=%d\naors=%d\n[%d](login)\nusername=%d\npassword=many-%d\n[%d](place)\n", n, n, n, n, n, n, n)
		fmt.Fprintf(&sip, "\n[%d](phone)\nsecret=many-%d\n", n, n)
	}
	onBoth(t, lab.Options{Append: map[string]string{"pjsip.conf": pj.String(), "sip.conf": sip.String()}}, func(t *testing.T, l *lab.Lab) {
		office := host(t, l, "office", "198.51.100.10")
		for _, direct := range []bool{false, true} {
			m, vault := manager(t, l, func(o *pbx.Options) { o.DirectEdit = direct })
			p := phone(t, office, "5500")
			p.SetPassword("many-5500")
			if direct {
				p = phone(t, office, "5501")
				p.SetPassword("many-5501")
			}
			if !registers(t, p) {
				t.Fatal("cannot register before")
			}
			rotate(t, m, vault, p)
		}
	})
}
