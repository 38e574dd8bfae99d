package provision

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func folder(t *testing.T, at string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at, mode); err != nil {
		t.Fatal(err)
	}
	return at
}

func file(t *testing.T, at, text string) {
	t.Helper()
	folder(t, filepath.Dir(at), 0o755)
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Only a folder that its owner and group alone can enter, and that nothing hands out, gets
// a password.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	served := folder(t, filepath.Join(dir, "www"), 0o755)
	outside := folder(t, filepath.Join(dir, "linked"), 0o750)
	if err := os.Symlink(outside, filepath.Join(served, "phones")); err != nil {
		t.Fatal(err)
	}
	services := []Service{{served, "test"}, {filepath.Join(dir, "absent"), "test"}}
	services = append(services, linked(services[0])...)
	disguised := filepath.Join(dir, "disguised")
	if err := os.Symlink(folder(t, filepath.Join(served, "deep", "er"), 0o700), disguised); err != nil {
		t.Fatal(err)
	}
	other := folder(t, filepath.Join(dir, "other"), 0o700)
	if os.Geteuid() == 0 {
		if err := os.Chown(other, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ at, want string }{
		"private":              {folder(t, filepath.Join(dir, "a"), 0o700), ""},
		"for a group":          {folder(t, filepath.Join(dir, "b"), 0o750), ""},
		"beside, similar name": {folder(t, served+"-private", 0o750), ""},
		"all read":             {folder(t, filepath.Join(dir, "c"), 0o754), "every user"},
		"all enter":            {folder(t, filepath.Join(dir, "d"), 0o711), "every user"},
		"group writes":         {folder(t, filepath.Join(dir, "e"), 0o770), "lets its group change it"},
		"served":               {folder(t, filepath.Join(served, "f"), 0o750), AcceptServed},
		"served, by a link":    {outside, AcceptServed},
		"leads to a served":    {disguised, AcceptServed},
		"absent":               {filepath.Join(dir, "nowhere"), "no such file"},
	} {
		f, err := Open(c.at, services, false)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			f.Close()
		}
		if f, err := Open(c.at, services, true); (err == nil) != (c.want == "" || c.want == AcceptServed) {
			t.Errorf("%s, accepted: %v", name, err)
		} else if err == nil {
			f.Close()
		}
	}
	if os.Geteuid() == 0 {
		if _, err := Open(other, nil, true); err == nil || !strings.Contains(err.Error(), "uid 12345") {
			t.Errorf("another's: %v", err)
		}
	}
}

// What servers hand out is read from where they say it.
func TestServices(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/apache2/sites-enabled/a.conf": "  DocumentRoot \"/data/site one\"\n# DocumentRoot /no1\nAlias /p /data/alias\n",
		"etc/httpd/conf.d/b.conf":          "DocumentRoot /data/httpd\n",
		"etc/nginx/sites-enabled/default":  "server { root /data/nginx; location /x { alias /data/x/; } }\n",
		"etc/default/tftpd-hpa":            "TFTP_DIRECTORY=\"/data/tftp\"\n",
		"etc/xinetd.d/tftp":                "\tserver_args = -s /data/xinetd\n",
		"etc/dnsmasq.conf":                 "tftp-root=/data/dnsmasq,eth0\n#tftp-root=/no2\n",
		"etc/exports":                      "# /no3 *(ro)\n/data/nfs 192.0.2.0/24(ro)\n",
		"etc/samba/smb.conf":               "[x]\n  path = /data/smb share\n",
		"etc/vsftpd.conf":                  "anon_root=/data/ftp\n",
		"etc/asterisk/http_custom.conf":    "static_uri=phoneprov => /data/prov\n",
	} {
		file(t, filepath.Join(root, name), text)
	}
	var got []string
	for _, s := range Services(root) {
		if strings.HasPrefix(s.Folder, "/data/") || strings.HasPrefix(s.Folder, "/no") {
			got = append(got, strings.TrimPrefix(s.Folder, "/data/"))
		}
	}
	slices.Sort(got)
	want := []string{"alias", "dnsmasq", "ftp", "httpd", "nfs", "nginx", "prov", "site one", "smb share", "tftp", "x", "xinetd"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, at := range []string{"/var/www/html/phones", "/tftpboot", "/srv/tftp/cfg"} {
		if servedBy(at, Services(root)) == "" {
			t.Errorf("%s is not known", at)
		}
	}
	if by := servedBy("/srv/provisioning", Services(root)); by != "" {
		t.Error(by)
	}
}

// The file is whole, private, and made only from a template that has the password.
func TestWrite(t *testing.T) {
	dir := folder(t, filepath.Join(t.TempDir(), "p"), 0o750)
	f, err := Open(dir, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := Entry{Account: "10<06", Secret: "the password", At: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct{ file, text, want string }{
		"plain":       {"1006.cfg", "user={{.Account}}\npassword={{.Secret}}\n", "user=10<06\npassword=the password\n"},
		"again":       {"1006.cfg", "p={{.Secret}}", "p=the password"},
		"xml":         {"1006.xml", "<u>{{xml .Account}}</u><p>{{xml .Secret}}</p>", "<u>10&lt;06</u><p>the password</p>"},
		"no password": {"x", "user={{.Account}}", ""},
		"bad field":   {"x", "{{.Secret}}{{.Name}}", ""},
		"bad syntax":  {"x", "{{.Secret", ""},
		"elsewhere":   {"../x", "{{.Secret}}", ""},
		"hidden":      {".x", "{{.Secret}}", ""},
		"no name":     {"", "{{.Secret}}", ""},
	} {
		path, err := f.Write(c.file, c.text, e)
		if (err == nil) != (c.want != "") || err != nil && strings.Contains(err.Error(), e.Secret) {
			t.Errorf("%s: %v", name, err)
		}
		if c.want == "" {
			continue
		}
		got, _ := os.ReadFile(path)
		info, _ := os.Stat(path)
		if string(got) != c.want || info == nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %q, %v", name, got, info)
		}
		if in, _ := os.Stat(dir); info != nil && info.Sys().(*syscall.Stat_t).Gid != in.Sys().(*syscall.Stat_t).Gid {
			t.Errorf("%s: another group", name)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
