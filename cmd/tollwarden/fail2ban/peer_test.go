package fail2ban

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// peer is the folder with fail2ban's own package, "" if it is not on this machine: Debian's,
// one that `make fail2ban` has fetched, or that of TOLLWARDEN_FAIL2BAN.
func peer() string {
	cache, _ := os.UserCacheDir()
	for _, dir := range []string{os.Getenv("TOLLWARDEN_FAIL2BAN"), "/usr/lib/python3/dist-packages", filepath.Join(cache, "tollwarden-fail2ban/usr/lib/python3/dist-packages")} {
		if _, err := os.Stat(filepath.Join(dir, "fail2ban/client/configreader.py")); dir != "" && err == nil {
			return dir
		}
	}
	return ""
}

// ask asks fail2ban's own reader for the jails of a folder.
const ask = `
import sys, json, logging
logging.disable(logging.CRITICAL)
from fail2ban.client.configreader import ConfigReader
from fail2ban.helpers import splitwords
answers = []
for dir in sys.argv[1:]:
	try:
		r = ConfigReader(basedir=dir)
		r.read('jail')
		r.merge_defaults({"fail2ban_version": "", "fail2ban_confpath": dir})
		jails = {}
		for s in r.sections():
			if s == 'INCLUDES': continue
			o = r.getOptions(s, {"enabled": ["bool", False], "ignoreip": ["string", None]})
			jails[s] = [str(bool(o.get("enabled"))).lower()] + splitwords(o.get("ignoreip"))
		answers.append(jails)
	except Exception as e:
		answers.append({"error": [type(e).__name__]})
print(json.dumps(answers))
`

// configurations are ways to write down the same and others, as files of a folder.
var configurations = map[string]map[string]string{
	"as it is documented":                 {"jail.conf": "[DEFAULT]\nignoreip = 127.0.0.1/8 ::1\n[asterisk]\nenabled = true\n"},
	"a remark behind a section":           {"jail.conf": "[DEFAULT] # site defaults\nignoreip = 192.0.2.1\n[asterisk] ; ours\n"},
	"a colon":                             {"jail.conf": "[DEFAULT]\nignoreip : 192.0.2.1\n[asterisk]\nEnabled: YES\n"},
	"upper case":                          {"jail.conf": "[DEFAULT]\nIgnoreIP = 192.0.2.1\n[asterisk]\nENABLED = On\n[Asterisk]\nignoreIp=192.0.2.2\n"},
	"a colon before an equals sign":       {"jail.conf": "[DEFAULT]\nignoreip : 192.0.2.1=x\n[asterisk]\n"},
	"IPv6 behind an equals sign":          {"jail.conf": "[DEFAULT]\nignoreip = 2001:db8::1 ::1\n[asterisk]\n"},
	"several lines":                       {"jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n  192.0.2.2,192.0.2.3\n\t198.51.100.0/24\n\n  192.0.2.4\n[asterisk]\n"},
	"comments between lines":              {"jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n# one\n  192.0.2.2\n  ; two\n  # three\n  192.0.2.3\n[asterisk]\n"},
	"comments at the ends of lines":       {"jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1 ; one\n  192.0.2.2;two\n  192.0.2.3 # three\n[asterisk]\n"},
	"nothing on the first line":           {"jail.conf": "[DEFAULT]\nignoreip =\n  192.0.2.1\n[asterisk]\n"},
	"an option that is indented":          {"jail.conf": "[DEFAULT]\n  ignoreip = 192.0.2.1\n  bantime = 5\n[asterisk]\n  ignoreip = 192.0.2.2\n   192.0.2.3\n  enabled = 1\n"},
	"an option in a value":                {"jail.conf": "[DEFAULT]\nbantime = 5\n  ignoreip = 192.0.2.1\n[asterisk]\n"},
	"a section that is indented":          {"jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n  [asterisk]\n[sip]\n"},
	"line ends of Windows":                {"jail.conf": "[DEFAULT]\r\nignoreip = 192.0.2.1\r\n  192.0.2.2\r\n[asterisk]\r\nenabled = true\r\n"},
	"a form feed":                         {"jail.conf": "[DEFAULT]\n\fignoreip = 192.0.2.1\n[asterisk]\n"},
	"an override":                         {"jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n[asterisk]\nenabled = false\n", "jail.local": "[asterisk]\nignoreip = 192.0.2.2\nenabled = true\n"},
	"DEFAULT overridden":                  {"jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n[asterisk]\n", "jail.local": "[DEFAULT]\nignoreip = 192.0.2.2\n"},
	"jail.d":                              {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\n", "jail.d/b.conf": "[DEFAULT]\nignoreip = 1.0.0.2\n", "jail.d/a.conf": "[DEFAULT]\nignoreip = 1.0.0.3\n", "jail.d/.c.conf": "[DEFAULT]\nignoreip = 1.0.0.4\n"},
	"jail.d behind jail.local":            {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n", "jail.local": "[asterisk]\nignoreip = 1.0.0.2\n", "jail.d/a.local": "[asterisk]\nignoreip = 1.0.0.3\n", "jail.d/a.conf": "[asterisk]\nignoreip = 1.0.0.4\n"},
	"only jail.d":                         {"jail.d/pbx.conf": "[asterisk]\nenabled = true\nignoreip = 1.0.0.1\n"},
	"no files":                            {},
	"known, from the file before":         {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n", "jail.local": "[asterisk]\nignoreip = 1.0.0.2 %(known/ignoreip)s\n"},
	"known, from two files before":        {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n", "jail.d/a.conf": "[asterisk]\nignoreip = 1.0.0.2 %(known/ignoreip)s\n", "jail.local": "[asterisk]\nignoreip = 1.0.0.3 %(known/ignoreip)s\n"},
	"known, from DEFAULT":                 {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\nignoreip = 1.0.0.2 %(known/ignoreip)s\n"},
	"known, of DEFAULT itself":            {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\n", "jail.local": "[DEFAULT]\nignoreip = 1.0.0.2 %(known/ignoreip)s\n"},
	"known, in upper case":                {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n", "jail.local": "[asterisk]\nignoreip = 1.0.0.2 %(KNOWN/ignoreip)s\n"},
	"known option, in upper case":         {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n", "jail.local": "[asterisk]\nignoreip = 1.0.0.2 %(known/IgnoreIP)s\n"},
	"known, where there is none":          {"jail.conf": "[asterisk]\nignoreip = %(known/ignoreip)s 1.0.0.2\n"},
	"default":                             {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\nignoreip = %(default/ignoreip)s 1.0.0.2\n"},
	"another section's":                   {"jail.conf": "[sshd]\nignoreip = 1.0.0.1\n[asterisk]\nignoreip = %(sshd/ignoreip)s 1.0.0.2\n"},
	"a section that there is not":         {"jail.conf": "[asterisk]\nignoreip = %(other/ignoreip)s 1.0.0.2\n"},
	"another option":                      {"jail.conf": "[DEFAULT]\noffice = 1.0.0.1 1.0.0.2\nignoreip = 127.0.0.1 %(office)s\n[asterisk]\n"},
	"another option, in upper case":       {"jail.conf": "[DEFAULT]\nOffice = 1.0.0.1\nignoreip = %(OFFICE)s\n[asterisk]\n"},
	"options in options":                  {"jail.conf": "[DEFAULT]\na = 1.0.0.1\nb = %(a)s 1.0.0.2\nignoreip = %(b)s\n[asterisk]\na = 1.0.0.3\n"},
	"in circles":                          {"jail.conf": "[DEFAULT]\na = %(b)s\nb = %(a)s\nignoreip = %(b)s\n[asterisk]\n"},
	"no such option":                      {"jail.conf": "[DEFAULT]\nignoreip = %(offices)s\n[asterisk]\n"},
	"a percent sign":                      {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1 100%%\n[asterisk]\n"},
	"a lonely percent sign":               {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1 100%\n[asterisk]\n"},
	"its own name":                        {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1 %(__name__)s.example.org\n"},
	"the folder's name":                   {"jail.conf": "[asterisk]\nignoreip = file:%(fail2ban_confpath)s/offices\n"},
	"includes before and after":           {"jail.conf": "[INCLUDES]\nbefore = before.conf\nafter = after.conf\n[asterisk]\nignoreip = 1.0.0.2 %(known/ignoreip)s\nx = %(ignoreip)s\n", "before.conf": "[asterisk]\nignoreip = 1.0.0.1\nenabled = true\n", "after.conf": "[asterisk]\nignoreip = %(known/ignoreip)s 1.0.0.3\n"},
	"several includes":                    {"jail.conf": "[INCLUDES]\nbefore = a.conf\n  b.conf\n\n[asterisk]\n", "a.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n", "b.conf": "[DEFAULT]\nignoreip = 1.0.0.2\n"},
	"includes with .local":                {"jail.conf": "[INCLUDES]\nbefore = a.conf\n[asterisk]\n", "a.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n", "a.local": "[DEFAULT]\nignoreip = 1.0.0.2\n"},
	"includes of includes":                {"jail.local": "[INCLUDES]\nbefore = a.conf\n[asterisk]\n", "a.conf": "[INCLUDES]\nafter = sub/b.conf\n[DEFAULT]\nignoreip = 1.0.0.1\n", "sub/b.conf": "[INCLUDES]\nbefore = c.conf\n[DEFAULT]\nx = 1\n", "sub/c.conf": "[DEFAULT]\nignoreip = 1.0.0.3\n"},
	"an include that there is not":        {"jail.conf": "[INCLUDES]\nbefore = a.conf\n[asterisk]\nignoreip = 1.0.0.1\n"},
	"an include of itself":                {"jail.conf": "[INCLUDES]\nbefore = a.conf\n[asterisk]\nignoreip = 1.0.0.1\n", "a.conf": "[INCLUDES]\nbefore = jail.conf\n[asterisk]\nignoreip = 1.0.0.2\n"},
	"an include that refers to an option": {"jail.conf": "[INCLUDES]\nname = a\nbefore = %(name)s.conf\n[asterisk]\n", "a.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n"},
	"an option twice":                     {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\nIgnoreIP = 1.0.0.2\n"},
	"a section twice":                     {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n[asterisk]\nenabled = true\n"},
	"DEFAULT twice":                       {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\n[DEFAULT]\nbantime = 1\n"},
	"DEFAULT and its option twice":        {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\n[DEFAULT]\nignoreip = 1.0.0.2\n"},
	"an option before any section":        {"jail.conf": "ignoreip = 1.0.0.1\n[asterisk]\n"},
	"no value":                            {"jail.conf": "[asterisk]\nignoreip\n"},
	"no option":                           {"jail.conf": "[asterisk]\n= 1.0.0.1\n"},
	"an empty section":                    {"jail.conf": "[]\nignoreip = 1.0.0.1\n"},
	"a section in brackets":               {"jail.conf": "[[asterisk]]\nignoreip = 1.0.0.1\n"},
	"a section that is not closed":        {"jail.conf": "[asterisk\nignoreip = 1.0.0.1\n"},
	"a byte order mark":                   {"jail.conf": "\ufeff[asterisk]\nignoreip = 1.0.0.1\n"},
	"not UTF-8":                           {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n", "jail.local": "[asterisk]\n# B\xfcro\nignoreip = 1.0.0.2\n"},
	"an umlaut":                           {"jail.conf": "[DEFAULT]\n# Büro\nignoreip = 1.0.0.1\n[büro]\n"},
	"a condition":                         {"jail.conf": "[asterisk]\nignoreip = 1.0.0.1\n[asterisk?family=inet6]\nignoreip = ::1\n"},
	"spaces around names":                 {"jail.conf": "[ asterisk ]\n ignoreip  =  1.0.0.1  \n"},
	"no spaces":                           {"jail.conf": "[asterisk]\nenabled=true\nignoreip=1.0.0.1,1.0.0.2\n"},
	"commas and spaces":                   {"jail.conf": "[asterisk]\nignoreip = , 1.0.0.1 ,, 1.0.0.2 ,\n"},
	"an empty value":                      {"jail.conf": "[DEFAULT]\nignoreip = 1.0.0.1\n[asterisk]\nignoreip =\n"},
	"enabled by an option":                {"jail.conf": "[DEFAULT]\npbx = true\n[asterisk]\nenabled = %(pbx)s\nignoreip = 1.0.0.1\n"},
	"a file":                              {"jail.conf": "[asterisk]\nignoreip = file:/etc/offices 1.0.0.1\n"},
	"masks, brackets, ranges and names":   {"jail.conf": "[asterisk]\nignoreip = 198.51.100.0/255.255.255.0 [2001:db8::1] 203.0.113.5-203.0.113.9 office.example.org\n"},
	"a site":                              {"jail.local": "[DEFAULT] # site defaults\n; ignoreip can be several\nIgnoreIP : 127.0.0.1/8 ::1\n           198.51.100.0/255.255.255.0\n           # the carrier\n           198.51.101.7, 198.51.101.8\n[asterisk-iptables]\nenabled=true\nignoreip = 192.0.2.77 %(known/ignoreip)s\n[sshd]\nignoreip = 192.0.2.99\n"},
}

// Our reading of each configuration is that of fail2ban's own reader, word by word.
func TestReadsLikeFail2ban(t *testing.T) {
	python, err := exec.LookPath("python3")
	if peer() == "" || err != nil {
		t.Skip("fail2ban is not on this machine: make fail2ban fetches it")
	}
	names := make([]string, 0, len(configurations))
	for name := range configurations {
		names = append(names, name)
	}
	slices.Sort(names)
	args := []string{"-c", ask}
	for _, name := range names {
		args = append(args, folder(t, configurations[name]))
	}
	shipped := filepath.Join(peer(), "../../../../etc/fail2ban") // Debian's, beside its package
	if _, err := os.Stat(filepath.Join(shipped, "jail.conf")); err == nil {
		names, args = append(names, shipped), append(args, shipped)
	}
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+peer(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("fail2ban's reader: %v: %s", err, out)
	}
	var answers []map[string][]string
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(names) {
		t.Fatalf("%v: %s", err, out)
	}
	for i, name := range names {
		if got, want := fmt.Sprint(ours(args[2+i])), fmt.Sprint(answers[i]); got != want {
			t.Errorf("%s:\n     ours %s\nfail2ban %s", name, got, want)
		}
	}
	t.Logf("%d configurations, as %s reads them", len(names), peer())
}

// ours is what we read, in the form of ask.
func ours(dir string) map[string][]string {
	c, err := readFolder(dir)
	if err != nil {
		return failure(err)
	}
	list := map[string][]string{}
	for _, j := range c.jails() {
		if j.wrong != nil {
			return failure(j.wrong)
		}
		list[j.name] = append([]string{fmt.Sprint(j.enabled)}, strings.FieldsFunc(j.ignore, isSeparator)...)
	}
	return list
}

// failure is the error that Python has for one of ours.
func failure(err error) map[string][]string {
	for words, name := range map[string]string{
		"names no option": "InterpolationMissingOptionError", "too deep": "InterpolationDepthError", "followed by neither": "InterpolationSyntaxError",
		"] twice": "DuplicateOptionError", "there twice": "DuplicateSectionError", "is in no section": "MissingSectionHeaderError", "is no option": "ParsingError",
	} {
		if strings.Contains(err.Error(), words) {
			return map[string][]string{"error": {name}}
		}
	}
	return map[string][]string{"error": {err.Error()}}
}

// folder makes a folder with these files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
