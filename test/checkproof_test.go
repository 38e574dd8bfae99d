package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// brokenUsers are AMI users who lack something, and the commands that show whether calls
// are seen.
var brokenUsers = map[string]string{
	"manager.conf": "[deaf]\nsecret = s\nread = call\nwrite = system\n[blind]\nsecret = s\nread = security\nwrite = system,call,config,command,reporting\n",
	"modules.conf": "load = res_clioriginate.so\n",
}

// Whatever is broken between Asterisk and the daemon, check says so by trying, and the
// command that it proposes repairs it.
func TestCheckProves(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Version: v, Append: brokenUsers})
			c := &checking{warden: &warden{t: t, lab: l, dir: t.TempDir()}, bin: t.TempDir()}
			c.console()
			messages := l.Path("/var/log/asterisk/messages")
			log := fmt.Sprintf("log = %q\n", messages)

			// A healthy PBX raises no alarm: only a receiver is missing.
			c.write("", lab.AMIUser, lab.AMISecret, log+shortRules(3))
			if out, code := c.run(); code != 0 || strings.Count(out, "\nwarning ") != 1 || !strings.Contains(out, "\nwarning  receivers: none is set") {
				t.Errorf("a healthy PBX: exit code %d\n%s", code, out)
			}

			script := filepath.Join(c.dir, "hook")
			c.file(script, "#!/bin/sh\n", 0o644)
			c.edit("logger.conf", "messages = notice,warning,error", "messages = warning,error")
			c.cli("logger reload")
			c.write("", "deaf", "s", log+fmt.Sprintf("[exec]\ncommand = [%q]\n", script)+shortRules(3))
			if err := os.Chmod(c.config(), 0o644); err != nil {
				t.Fatal(err)
			}
			c.repaired("security events: no security event arrives", "privileges: the user lacks privileges",
				"log: Asterisk wrote no line about this check's refused login", "hooks: exec.command "+script+": the daemon's user (root) cannot run it",
				"secrets: the configuration, which has secrets in it,")

			if err := os.Rename(messages, messages+".1"); err != nil {
				t.Fatal(err)
			}
			c.file(messages, "", 0o644)
			c.write("", "blind", "s", log+shortRules(3))
			c.repaired("call events: no call event arrives", "it still writes to a file that was moved away")

			c.write("", lab.AMIUser, "wrong", log+shortRules(3))
			c.repaired("login: ami: log in as \"" + lab.AMIUser + "\": wrong secret")

			c.ami = "127.0.0.1:5039"
			c.write("", lab.AMIUser, lab.AMISecret, log+shortRules(3))
			c.repaired("has the manager interface at " + lab.AMIAddress)

			c.ami = ""
			c.write("", lab.AMIUser, lab.AMISecret, log+shortRules(3))
			c.edit("manager.conf", "enabled = yes", "enabled = no")
			c.cli("manager reload")
			if v == lab.Asterisk22 { // 16 listens again only after a restart, if it has listened before
				c.repaired("the manager interface is switched off in ")
			} else {
				c.fails("the manager interface is switched off in ", "a enabled = yes")
			}

			if err := l.Stop(); err != nil {
				t.Fatal(err)
			}
			c.edit("manager.conf", "enabled = ", "enabled = yes ;")
			c.fails("so Asterisk does not run", "fix: systemctl start asterisk\n")
		})
	}
}

// A daemon whose user gets no calls is not healthy, says what to add, and logs in again once it
// is added.
func TestStatusNamesMissingEvents(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Append: brokenUsers})
	w := &warden{t: t, lab: l, dir: t.TempDir()}
	w.write("", "blind", "s", shortRules(3))
	w.launch()
	t.Cleanup(func() { w.stop(syscall.SIGTERM) })
	events := func() (health, detail string) {
		s, err := w.client().Status(t.Context())
		if err != nil {
			return "", ""
		}
		for _, c := range s.Checks {
			if c.Name == "events" {
				return s.Health, c.Detail
			}
		}
		return s.Health, ""
	}
	w.wait("the missing class to be named", 20*time.Second, func() bool {
		health, detail := events()
		return health == control.Degraded && strings.Contains(detail, "no calls are seen: add call to read= of the AMI user in manager.conf")
	})
	c := &checking{warden: w}
	c.edit("manager.conf", "read = security\n", "read = security,call\n")
	c.cli("manager reload")
	w.wait("the daemon to hear calls", 30*time.Second, func() bool {
		health, detail := events()
		return health == control.Healthy && strings.HasPrefix(detail, "listening to ")
	})
}

// checking runs check, and the commands that it proposes, beside a lab's Asterisk.
type checking struct {
	*warden
	bin string // has the console of the lab's Asterisk
}

// console makes `asterisk` the console of the lab's Asterisk.
func (c *checking) console() {
	script := "#!/bin/sh\n[ \"$1\" = -C ] && shift 2\nexec chroot " + c.lab.Path("/") + " asterisk \"$@\"\n"
	c.file(filepath.Join(c.bin, "asterisk"), script, 0o755)
}

func (c *checking) file(path, text string, mode os.FileMode) {
	c.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		c.t.Fatal(err)
	}
}

// edit replaces a text in a file of Asterisk's.
func (c *checking) edit(name, from, to string) {
	c.t.Helper()
	path := filepath.Join(c.lab.Path("/etc/asterisk"), name)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), from) {
		c.t.Fatalf("%s has no %q: %v", path, from, err)
	}
	c.file(path, strings.Replace(string(text), from, to, 1), 0o640)
}

func (c *checking) cli(command string) {
	c.t.Helper()
	if _, err := c.lab.CLI(c.t.Context(), command); err != nil {
		c.t.Fatal(err)
	}
}

// with runs a command with the lab's console in PATH.
func (c *checking) with(cmd *exec.Cmd) (string, int) {
	cmd.Env = append(os.Environ(), "PATH="+c.bin+":"+os.Getenv("PATH"))
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func (c *checking) run() (string, int) {
	c.t.Helper()
	path, err := binary()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.with(c.lab.PBX.Command(c.t.Context(), path, "check", "-c", c.config()))
}

// fails expects one failure, and a part of the command that repairs it.
func (c *checking) fails(failure, fix string) {
	c.t.Helper()
	if out, code := c.run(); code != 1 || !strings.Contains(out, failure) || !strings.Contains(out, fix) {
		c.t.Errorf("exit code %d, want %q and %q:\n%s", code, failure, fix, out)
	}
}

var fixLine = regexp.MustCompile(`(?m)^FAILED .*\n(?:           .*\n)*         fix: (.*)$`)

// repaired expects check to fail with exactly these failures, each with a command that
// repairs it.
func (c *checking) repaired(failures ...string) {
	c.t.Helper()
	out, code := c.run()
	if code != 1 || strings.Count(out, "\nFAILED ") != len(failures) {
		c.t.Errorf("exit code %d, want %d failures:\n%s", code, len(failures), out)
	}
	for _, want := range failures {
		if !strings.Contains(out, want) {
			c.t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	fixes := fixLine.FindAllStringSubmatch(out, -1)
	if len(fixes) != len(failures) {
		c.t.Errorf("%d commands for %d failures:\n%s", len(fixes), len(failures), out)
	}
	for _, fix := range fixes {
		if said, code := c.with(exec.Command("sh", "-c", fix[1])); code != 0 {
			c.t.Errorf("%s: exit code %d: %s", fix[1], code, said)
		}
	}
	var after string
	for range 5 { // Asterisk reloads in the background
		if after, code = c.run(); code == 0 {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	c.t.Errorf("after the commands %q: exit code %d\n%s", fixes, code, after)
}
