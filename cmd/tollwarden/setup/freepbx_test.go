package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/test/freepbx"
)

// newFreePBX is a setup beside a FreePBX.
func newFreePBX(t *testing.T, more map[string]string) (s *Setup, out *strings.Builder) {
	t.Helper()
	s, out = newSetup(t, "#include manager_custom.conf\n[admin]\nsecret = theirs\nwrite = all\n")
	files := map[string]string{"manager_custom.conf": "", "sip.conf": freepbx.Header, "sip_additional.conf": freepbx.Header, "pjsip.auth.conf": freepbx.Header}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.Asterisk, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return s, out
}

// FreePBX edits manager.conf itself, so the user goes where it leaves it alone; the log is
// the one that it has.
func TestUserBesideFreePBX(t *testing.T) {
	logs := t.TempDir()
	if err := os.WriteFile(filepath.Join(logs, "full"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, out := newFreePBX(t, map[string]string{
		"asterisk.conf": "[directories]\nastlogdir => " + logs + "\n", "logger.conf": "[logfiles]\n#include logger_logfiles_additional.conf\n#include logger_logfiles_custom.conf\n",
		"logger_logfiles_additional.conf": freepbx.Header + "full => debug,error,notice,security,verbose(3),warning\n",
	})
	before := text(t, filepath.Join(s.Asterisk, "manager.conf"))
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text(t, filepath.Join(s.Asterisk, "manager.conf")) != before || !strings.Contains(text(t, filepath.Join(s.Asterisk, customManager)), "[tollwarden]\nsecret = made-up\n") {
		t.Errorf("the user is in the wrong file: %s", out)
	}
	if got := text(t, s.config()); !strings.Contains(got, logs+"/full") {
		t.Errorf("the configuration: %s", got)
	}
	if got := strings.Join((&site{etc: s.Asterisk}).writes(), ","); got != "config,system" {
		t.Errorf("without extensions of chan_sip, classes %s", got)
	}
}

// chan_sip's extensions need one more class.
func TestClassesForFreePBXWithChanSIP(t *testing.T) {
	s, _ := newFreePBX(t, map[string]string{"sip_additional.conf": freepbx.Header + "[1002]\ntype=friend\n"})
	if got := strings.Join((&site{etc: s.Asterisk}).writes(), ","); got != "config,system,command" {
		t.Errorf("classes %s", got)
	}
	s, _ = newFreePBX(t, map[string]string{"sip_additional.conf": freepbx.Header + "[1002]\ntype=friend\n", "modules.conf": "[modules]\nnoload = chan_sip.so\n"})
	if got := strings.Join((&site{etc: s.Asterisk}).writes(), ","); got != "config,system" {
		t.Errorf("chan_sip is not loaded: classes %s", got)
	}
}

// The user of an earlier setup moves, and nothing else does.
func TestUserMoves(t *testing.T) {
	const ours = "[tollwarden]\nsecret = made-up\nread = security,call\n"
	s, out := newFreePBX(t, map[string]string{"manager_custom.conf": "; mine"})
	path := filepath.Join(s.Asterisk, "manager.conf")
	before := text(t, path)
	if err := os.WriteFile(path, []byte(strings.Replace(before, "[admin]", ours+"[admin]", 1)), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text(t, path) != before || text(t, filepath.Join(s.Asterisk, customManager)) != "; mine\n"+ours {
		t.Errorf("manager.conf:\n%s\nmanager_custom.conf:\n%s", text(t, path), text(t, filepath.Join(s.Asterisk, customManager)))
	}
}

// fwconsole chown leaves the folder open: one line, once.
func TestFolderStaysOpen(t *testing.T) {
	for name, c := range map[string]struct{ has, want string }{
		"no file":          {"", "[custom]\ndir = /etc/asterisk,0770,asterisk,asterisk\n"},
		"a section":        {"[custom]\nfile = /x,0644,a,b\n", "[custom]\ndir = /etc/asterisk,0770,asterisk,asterisk\nfile = /x,0644,a,b\n"},
		"another section":  {"[blacklist]\nitem = /x", "[blacklist]\nitem = /x\n[custom]\ndir = /etc/asterisk,0770,asterisk,asterisk\n"},
		"there already":    {"[custom]\ndir = /etc/asterisk, 0775, asterisk, asterisk\n", ""},
		"no end of a line": {"[custom]", "[custom]\ndir = /etc/asterisk,0770,asterisk,asterisk\n"},
	} {
		got, changed := withChownLine([]byte(c.has), "/etc/asterisk")
		if changed != (c.want != "") || changed && string(got) != c.want {
			t.Errorf("%s: %t\n%s", name, changed, got)
		}
	}
}

// The database user is made with the rights that are shown, and no others.
func TestDatabaseUser(t *testing.T) {
	server := freepbx.NewServer(t)
	tables, err := freepbx.NewTables(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tables.DB.Close() })
	s, out := newFreePBX(t, nil)
	d := Database{In: strings.NewReader("n\n"), Out: out, Options: mariadb.Options{Socket: server.Socket}, Asterisk: s.Asterisk}
	if err := d.Run(t.Context()); err != nil || !strings.Contains(out.String(), "Nothing was changed.") {
		t.Fatalf("declined: %v\n%s", err, out)
	}
	out.Reset()
	d.In = strings.NewReader("y\n")
	if err := d.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"GRANT USAGE ON *.* TO `tollwarden`@`localhost`",
		"), UPDATE (`data`) ON `asterisk`.`sip` TO `tollwarden`@`localhost`", // the columns before it in any order
		"GRANT SELECT, UPDATE (`value`) ON `asterisk`.`admin` TO `tollwarden`@`localhost`",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if got := text(t, filepath.Join(s.Asterisk, chownFile)); !strings.Contains(got, "dir = "+s.Asterisk+",0770,asterisk,asterisk") {
		t.Errorf("%s: %s", chownFile, got)
	}
	// Realtime, by the names in extconfig.conf.
	for _, statement := range []string{
		"CREATE DATABASE pbx", "CREATE TABLE pbx.auths (id VARCHAR(255) PRIMARY KEY, password VARCHAR(80), md5_cred VARCHAR(40))",
		"CREATE TABLE pbx.ps_endpoints (id VARCHAR(255) PRIMARY KEY, context VARCHAR(40), deny VARCHAR(95), permit VARCHAR(95))",
	} {
		if _, err := server.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Asterisk, "extconfig.conf"), []byte("[settings]\nps_auths => odbc,pbx,auths\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	d.Agreed, d.Options.Name = true, "pbx"
	if err := d.Run(t.Context()); err != nil || !strings.Contains(out.String(), "UPDATE (`md5_cred`, `password`) ON `pbx`.`auths`") && !strings.Contains(out.String(), "UPDATE (`password`, `md5_cred`) ON `pbx`.`auths`") {
		t.Errorf("realtime: %v\n%s", err, out)
	}
}
