package pbx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

func rotator(f *fakePBX, v *memoryVault, change ...func(*Options)) *Manager {
	o := Options{ConfigDir: f.dir, VerifyWithin: time.Second}
	if v != nil {
		o.Vault = v
	}
	for _, c := range change {
		c(&o)
	}
	return New(f, o)
}

// mustNotShow fails the test when a secret is in a text for people.
func mustNotShow(t *testing.T, v *memoryVault, texts ...any) {
	t.Helper()
	for _, text := range texts {
		var s string
		switch x := text.(type) {
		case error:
			s = x.Error()
		case string:
			s = x
		}
		for _, e := range v.kept {
			if strings.Contains(s, e.Secret) {
				t.Errorf("shows the new secret: %s", s)
			}
		}
		if strings.Contains(s, "old-100") {
			t.Errorf("shows the old secret: %s", s)
		}
	}
}

func TestRotateStoresFirstThenChangesOnlyTheAccount(t *testing.T) {
	f, v := newFakePBX(t, nil), &memoryVault{}
	stored := false
	f.sabotage = func(a ami.Action) (*ami.Response, error, bool) {
		if a.Name == "UpdateConfig" {
			stored = len(v.kept) == 1 && v.kept[0].Account == "1002"
			if r := ami.Message(a.Fields); r.Get("Reload") != "no" || r.Get("PreserveEffectiveContext") != "no" {
				t.Errorf("UpdateConfig with %s", r.Get("Reload"))
			}
		}
		return nil, nil, false
	}
	detail, err := rotator(f, v).Rotate(t.Context(), "1002")
	if err != nil || !stored {
		t.Fatalf("stored first: %v; %v", stored, err)
	}
	secret := v.kept[0].Secret
	want := ";! Generator: Manager\n" + strings.Replace(pjsipConf, "old-1002", secret, 1)
	if got := f.file("pjsip.conf"); got != want {
		t.Errorf("the file is now\n%s", got)
	}
	copies, _ := filepath.Glob(filepath.Join(f.dir, "pjsip.conf.tollwarden-*"))
	if len(copies) != 1 {
		t.Fatalf("copies %q", copies)
	}
	if got := f.file(filepath.Base(copies[0])); got != pjsipConf {
		t.Errorf("the copy is\n%s", got)
	}
	if st, _ := os.Stat(copies[0]); st.Mode().Perm() != 0o640 {
		t.Errorf("the copy has mode %v", st.Mode())
	}
	for _, word := range []string{"1002", "pjsip.conf", "UpdateConfig", "live value checked", "memory", filepath.Base(copies[0])} {
		if !strings.Contains(detail, word) {
			t.Errorf("detail %q does not tell %q", detail, word)
		}
	}
	mustNotShow(t, v, detail)
}

// Every way a rotation can go wrong leaves the files, the live secret and the
// vault as they were, or says so, and never shows a secret.
func TestFailedRotationIsTakenBack(t *testing.T) {
	fail := func(action string, err error) func(*fakePBX) func(ami.Action) (*ami.Response, error, bool) {
		return func(*fakePBX) func(ami.Action) (*ami.Response, error, bool) {
			return func(a ami.Action) (*ami.Response, error, bool) { return nil, err, a.Name == action }
		}
	}
	for name, c := range map[string]struct {
		sabotage func(*fakePBX) func(ami.Action) (*ami.Response, error, bool)
		options  func(*Options)
		says     string
		reloads  int

		uncertain bool
	}{
		"Asterisk does not reload":  {fail("Reload", &ami.Error{Action: "Reload", Message: "An unknown error occurred"}), nil, "unknown error", 2, true},
		"connection lost at reload": {fail("Reload", errors.New("connection lost")), nil, "connection lost", 2, true},
		"a reload never ends":       {fail("Reload", &ami.Error{Action: "Reload", Message: "A reload is in progress"}), nil, "still in progress", 2, true},
		"the live value stays old": {func(f *fakePBX) func(ami.Action) (*ami.Response, error, bool) {
			return func(a ami.Action) (*ami.Response, error, bool) { return &ami.Response{}, nil, a.Name == "Reload" }
		}, nil, "does not have the new secret", 2, false},
		"no privilege to write": {fail("UpdateConfig", &ami.Error{Action: "UpdateConfig", Message: "Permission denied"}), nil, "add config", 0, false},
		"both writers damage another section": {func(f *fakePBX) func(ami.Action) (*ami.Response, error, bool) {
			return func(a ami.Action) (*ami.Response, error, bool) {
				if a.Name == "GetConfig" && strings.Count(f.file("pjsip.conf"), "old-1002") == 0 {
					return &ami.Response{}, nil, true
				}
				return nil, nil, false
			}
		}, nil, "other sections came out changed", 0, false},
		"the one-line edit changed nothing": {func(f *fakePBX) func(ami.Action) (*ami.Response, error, bool) {
			frozen, _ := f.getConfig("pjsip.conf")
			return func(a ami.Action) (*ami.Response, error, bool) {
				return frozen, nil, a.Name == "GetConfig" && ami.Message(a.Fields).Get("Filename") == "pjsip.conf"
			}
		}, func(o *Options) { o.DirectEdit = true }, "not the one in force", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, v := newFakePBX(t, nil), &memoryVault{}
			f.sabotage = c.sabotage(f)
			m := rotator(f, v, func(o *Options) {
				if c.options != nil {
					c.options(o)
				}
			})
			var detail string
			var err error
			synctest.Test(t, func(*testing.T) { detail, err = New(f, m.rotations.o).Rotate(context.Background(), "1002") })
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want %q", err, c.says)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
			mustNotShow(t, v, detail, err)
			if got := f.file("pjsip.conf"); got != pjsipConf {
				t.Errorf("the file is now\n%s", got)
			}
			if hidden, _ := filepath.Glob(filepath.Join(f.dir, ".*")); len(hidden) > 0 {
				t.Errorf("left: %q", hidden)
			}
			if sure := !errors.Is(err, ErrUncertain); len(v.kept) != 1 || sure == c.uncertain || sure != (v.voided == 1) {
				t.Errorf("vault: kept %d, voided %d; %v", len(v.kept), v.voided, err)
			}
			if n := f.count("Reload"); n < c.reloads {
				t.Errorf("%d reloads, want %d at least", n, c.reloads)
			}
		})
	}
}

func TestUpdateConfigThatDoesDamageIsFollowedByTheOneLineEdit(t *testing.T) {
	f, v := newFakePBX(t, nil), &memoryVault{}
	f.sabotage = func(a ami.Action) (*ami.Response, error, bool) {
		if a.Name != "UpdateConfig" {
			return nil, nil, false
		}
		// As Asterisk 16 may: the new value lands in another section.
		err := os.WriteFile(filepath.Join(f.dir, "pjsip.conf"), []byte(pjsipConf+"password = stray\n"), 0o640)
		return &ami.Response{}, err, true
	}
	detail, err := rotator(f, v).Rotate(t.Context(), "1002")
	if err != nil || !strings.Contains(detail, "one-line edit") {
		t.Fatal(detail, err)
	}
	if got, want := f.file("pjsip.conf"), strings.Replace(pjsipConf, "old-1002", v.kept[0].Secret, 1); got != want {
		t.Errorf("the file is now\n%s", got)
	}
}

func TestUndoDoesNotOverwriteOtherChanges(t *testing.T) {
	f, v := newFakePBX(t, nil), &memoryVault{}
	const theirs = "[9]\ntype = aor\n"
	f.sabotage = func(a ami.Action) (*ami.Response, error, bool) {
		if a.Name != "Reload" {
			return nil, nil, false
		}
		if err := os.WriteFile(filepath.Join(f.dir, "pjsip.conf"), []byte(theirs), 0o640); err != nil {
			t.Error(err)
		}
		return nil, errors.New("connection lost"), true
	}
	_, err := rotator(f, v).Rotate(t.Context(), "1002")
	if !errors.Is(err, ErrLeftChanged) || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
	mustNotShow(t, v, err)
	if got := f.file("pjsip.conf"); got != theirs {
		t.Errorf("the file is now\n%s", got)
	}
}

func TestRotationDoesNotOverwriteSomebodyElse(t *testing.T) {
	for _, direct := range []bool{false, true} {
		f, v := newFakePBX(t, nil), &memoryVault{}
		const theirs = pjsipConf + "[9]\ntype = aor\n"
		m := rotator(f, v, func(o *Options) { o.DirectEdit = direct })
		ed := m.rotations.editor
		tree, err := ed.folder.readTree("pjsip.conf")
		if err != nil {
			t.Fatal(err)
		}
		e := edit{root: "pjsip.conf", section: "1002", kind: "auth", before: f.live, swaps: []swap{{"password", "old-1002", "new"}}}
		if e.index, err = e.before.find(e.section, e.kind); err != nil {
			t.Fatal(err)
		}
		p, err := tree.locate(e.before[e.index], e.kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p.file.path, []byte(theirs), 0o640); err != nil {
			t.Fatal(err)
		}
		for _, w := range ed.writers(t.Context(), tree, p, e) {
			if _, err := ed.write(t.Context(), tree, e, w); err == nil || f.file("pjsip.conf") != theirs {
				t.Errorf("%s: %v\n%s", w.name, err, f.file("pjsip.conf"))
			}
		}
	}
}

// What cannot be rotated is refused before a secret is made.
func TestRotationsRefusedBeforeAnythingChanges(t *testing.T) {
	freepbx := ";--------------------------------------------------------------------------------;\n; Do NOT edit this file as it is auto-generated by FreePBX. ;\n"
	for name, c := range map[string]struct {
		account string
		files   map[string]string
		options func(*Options)
		is      error
		says    string
		kept    int
	}{
		"unsafe name":                     {account: "10\n02", is: ErrUnsafeName},
		"no such extension":               {account: "1999", is: ErrNoAccount},
		"no vault":                        {account: "1002", options: func(o *Options) { o.Vault = nil }, says: "no vault"},
		"bad options":                     {account: "1002", options: func(o *Options) { o.SecretLength = 4 }, says: "secret length 4"},
		"endpoint without a login":        {account: "trunk", files: map[string]string{"pjsip.conf": "[trunk]\ntype=endpoint\naors=trunk\n"}, says: "no auth object"},
		"auth object missing":             {account: "1", files: map[string]string{"pjsip.conf": "[1]\ntype=endpoint\nauth=gone\n"}, says: "does not exist"},
		"auth also for calls out":         {account: "1", files: map[string]string{"pjsip.conf": "[1]\ntype=endpoint\nauth=1\noutbound_auth=1\n[1]\ntype=auth\nusername=1\npassword=old-1001\n"}, says: "outbound_auth"},
		"google":                          {account: "1", files: map[string]string{"pjsip.conf": "[1]\ntype=endpoint\nauth=1\n[1]\ntype=auth\nauth_type=google_oauth\n"}, says: "google_oauth"},
		"forced to chan_sip":              {account: "1002", options: func(o *Options) { o.Method = ChanSIPFile }, says: "does not apply"},
		"generated by FreePBX":            {account: "1002", files: map[string]string{"pjsip.conf": freepbx + pjsipConf}, is: ErrGenerated, kept: 1},
		"not the folder of this Asterisk": {account: "1002", options: func(o *Options) { o.ConfigDir = "/nonexistent" }, says: "config folder", kept: 1},
		"an include would read the copy":  {account: "1002", files: map[string]string{"pjsip.conf": "#include pjsip.d/*\n", "pjsip.d/phones": pjsipConf}, says: "would read the copy too", kept: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, v := newFakePBX(t, c.files), &memoryVault{}
			before := f.file("pjsip.conf")
			m := rotator(f, v, func(o *Options) {
				if c.options != nil {
					c.options(o)
				}
			})
			detail, err := m.Rotate(t.Context(), c.account)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want %v %q", err, c.is, c.says)
			}
			mustNotShow(t, v, detail, err)
			if n := f.count("UpdateConfig") + f.count("Reload"); n > 0 || f.file("pjsip.conf") != before {
				t.Errorf("%d changes", n)
			}
			if len(v.kept) != c.kept || v.voided != c.kept {
				t.Errorf("vault: kept %d, voided %d; want %d", len(v.kept), v.voided, c.kept)
			}
		})
	}
}

func TestVaultThatFailsStopsTheRotation(t *testing.T) {
	f, v := newFakePBX(t, nil), &memoryVault{fail: errors.New("disk full")}
	_, err := rotator(f, v).Rotate(t.Context(), "1002")
	if err == nil || !strings.Contains(err.Error(), "disk full") || !strings.Contains(err.Error(), "nothing was changed") {
		t.Error(err)
	}
	if f.count("UpdateConfig") > 0 || f.file("pjsip.conf") != pjsipConf {
		t.Error("Asterisk was changed")
	}
}

func TestCopiesAreBounded(t *testing.T) {
	f, v := newFakePBX(t, nil), &memoryVault{}
	m := rotator(f, v)
	for range keptCopies + 3 {
		if _, err := m.Rotate(t.Context(), "1002"); err != nil {
			t.Fatal(err)
		}
	}
	copies, _ := filepath.Glob(filepath.Join(f.dir, "*.tollwarden-*"))
	if len(copies) != keptCopies {
		t.Fatalf("%d copies", len(copies))
	}
	if newest := f.file(filepath.Base(copies[keptCopies-1])); !strings.Contains(newest, v.kept[keptCopies+1].Secret) {
		t.Error("the newest copy is not the file before the last rotation")
	}
}

func TestRotationsRunOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, v := newFakePBX(t, nil), &memoryVault{}
		m := rotator(f, v)
		m.rotations.editor.changing <- struct{}{} // one is under way
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Rotate(ctx, "1002"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("did not wait: %v", err)
		}
		var wg sync.WaitGroup
		for _, account := range []string{"1001", "1002", "1001", "1002"} {
			wg.Go(func() {
				if _, err := m.Rotate(t.Context(), account); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		<-m.rotations.editor.changing
		wg.Wait()
		last := map[string]string{}
		for _, e := range v.kept {
			last[e.Account] = e.Secret
		}
		for account, secret := range last {
			if !strings.Contains(f.file("pjsip.conf"), "username = "+account+"\npassword = "+secret+"\n") {
				t.Errorf("%s does not have the secret that was kept last", account)
			}
		}
	})
}

// The caller going away in the middle does not leave half a rotation.
func TestCancelledRotationIsTakenBack(t *testing.T) {
	f, v := newFakePBX(t, nil), &memoryVault{}
	ctx, cancel := context.WithCancel(t.Context())
	f.sabotage = func(a ami.Action) (*ami.Response, error, bool) {
		if a.Name == "Reload" && ctx.Err() == nil {
			cancel()
			return nil, context.Canceled, true
		}
		return nil, nil, false
	}
	if _, err := rotator(f, v).Rotate(ctx, "1002"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if f.file("pjsip.conf") != pjsipConf || f.live.find2("1002", "auth") != "old-1002" {
		t.Error("not taken back")
	}
}

func (c config) find2(name, kind string) string {
	i, _ := c.find(name, kind)
	return c[i].last("password")
}

func TestEveryStoredFormOfTheSecretChanges(t *testing.T) {
	for name, section := range map[string]string{
		"md5":           "auth_type = md5\nmd5_cred = 21ecd60b3461e76497d4ae72e02f9ce7\nrealm = asterisk\n",
		"default realm": "auth_type = md5\nmd5_cred = 21ecd60b3461e76497d4ae72e02f9ce7\n[g]\ntype = global\ndefault_realm = pbx.example\n",
		"digest":        "auth_type = digest\npassword_digest = MD5:21ecd60b3461e76497d4ae72e02f9ce7,SHA-256:77\n",
		"both":          "auth_type = userpass\npassword = old-1001\nmd5_cred = 21ecd60b3461e76497d4ae72e02f9ce7\n",
		"none":          "auth_type = userpass\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakePBX(t, map[string]string{"pjsip.conf": "[1]\ntype = endpoint\nauth = 1\n[1]\ntype = auth\nusername = u\n" + section})
			v := &memoryVault{}
			detail, err := rotator(f, v, func(o *Options) { o.DirectEdit = true }).Rotate(t.Context(), "1")
			if err != nil {
				t.Fatal(err)
			}
			got, secret := f.file("pjsip.conf"), v.kept[0].Secret
			realm := "asterisk"
			if name == "default realm" {
				realm = "pbx.example"
			}
			h, _ := digest("MD5", "u", realm, secret)
			if has := strings.Contains(got, h); has != (name != "none") {
				t.Errorf("MD5 %v in\n%s", has, got)
			}
			if has := strings.Contains(got, "password = "+secret); has != (name == "both" || name == "none") {
				t.Errorf("password %v in\n%s", has, got)
			}
			if strings.Contains(got, "21ecd60b") || strings.Contains(got, "old-") {
				t.Errorf("the old secret is still in\n%s", got)
			}
			mustNotShow(t, v, detail)
		})
	}
}

func TestHookRotation(t *testing.T) {
	f, v := newFakePBX(t, map[string]string{"pjsip.conf": "; Do NOT edit this file as it is auto-generated by FreePBX\n" + pjsipConf}), &memoryVault{}
	conf := filepath.Join(f.dir, "pjsip.conf")
	// The hook does what the operator's system would: writes the file anew and
	// has Asterisk read it.
	h := hook(t, `secret=$(sed 's/.*"secret":"\([^"]*\)".*/\1/'); sed -i "s/old-1002/$secret/" `+conf)
	f.sabotage = func(a ami.Action) (*ami.Response, error, bool) {
		if a.Name == "PJSIPShowEndpoint" && len(v.kept) > 0 {
			f.live = f.load("pjsip.conf")
		}
		return nil, nil, false
	}
	detail, err := rotator(f, v, func(o *Options) { o.Hook = h }).Rotate(t.Context(), "1002")
	if err != nil || !strings.Contains(detail, "hook") || !strings.Contains(detail, "live value checked") {
		t.Fatal(detail, err)
	}
	mustNotShow(t, v, detail)

	idle := hook(t, "cat >/dev/null")
	_, err = rotator(f, v, func(o *Options) { o.Hook, o.VerifyWithin = idle, 50*time.Millisecond }).Rotate(t.Context(), "1002")
	if err == nil || !strings.Contains(err.Error(), "ended well, but") || !errors.Is(err, ErrUncertain) || v.voided != 0 {
		t.Errorf("an idle hook: %v", err)
	}
	mustNotShow(t, v, err)
}
