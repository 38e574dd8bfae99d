package test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile/logforms"
	"github.com/tollwarden/tollwarden/test/lab"
)

// dateFormats are values of dateformat, and formatters of the log, that Asterisk is given.
var dateFormats = []struct{ format, formatter string }{
	{"%b %e %T", ""},
	{"%F %T", ""},
	{"%F %T.%3q", ""},
	{"%F %T.%1q %z", ""},
	{"%F %T %Z", ""},
	{"%FT%T.%6q%z", ""},
	{"%c", ""},
	{"%s", ""},
	{"%s.%2q", ""},
	{"%d/%m/%Y %T", ""},
	{"%m/%d/%Y %r", ""},
	{"%d.%m.%Y %T", ""},
	{"%Y/%m/%d %T", ""},
	{"%a, %d %b %Y %T %z", ""},
	{"%F %T", "[plain]"},
	{"%F %T", "[json]"},
}

// Guesses that only Asterisk's log tells of are banned, whatever its dateformat, and in every
// form in which syslog, the journal or a container hands it on. The manager interface says
// nothing: its user may not read security events. No form that must not be read leads to a
// ban.
func TestBansFromEveryFormOfTheLog(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Version: v, Append: map[string]string{
				"manager.conf": "\n[deaf]\nsecret = no-security\nread = system,call,user,reporting\nwrite = system,call,config,command,reporting\n",
				"modules.conf": "load = app_verbose.so\nload = res_clioriginate.so\n",
				"extensions.conf": "\n[forms]\nexten => _X.,1,Log(NOTICE,\"Rejecting unknown SIP connection from 198.18.${EXTEN:1}.7\")\n" +
					" same => n,Log(NOTICE,\"Rejecting unknown SIP connection from 198.18.${EXTEN:1}.7\")\n same => n,Log(NOTICE,\"Rejecting unknown SIP connection from 198.18.${EXTEN:1}.7\")\n",
			}})
			f := formsLab{t: t, l: l, log: l.Path("var/log/asterisk/messages"), awaited: map[netip.Prefix]string{}, refused: map[netip.Prefix]string{}}
			f.w = &warden{t: t, lab: l, dir: t.TempDir()}
			f.w.write("", "deaf", "no-security", fmt.Sprintf("log = %q\n", f.log)+strings.ReplaceAll(shortRules(3), "ChallengeResponseFailed = 1", "ChallengeResponseFailed = 1, FailedACL = 1"))
			f.w.launch()
			t.Cleanup(func() {
				f.w.stop(syscall.SIGTERM)
				if t.Failed() {
					t.Logf("the daemon's log:\n%s", f.w.log)
				}
			})
			f.w.wait("the log to be read", 20*time.Second, func() bool {
				s, err := f.w.client().Status(t.Context())
				return err == nil && len(s.Checks) > 0 && strings.HasPrefix(f.w.check("log").Detail, "read, ")
			})
			f.byAsterisk()
			written := len(f.awaited)
			f.relay()
			f.banned()
			t.Logf("%d of Asterisk's own forms and %d relayed ones lead to bans", written, len(f.awaited)-written)
		})
	}
}

// formsLab is a lab whose log changes its form.
type formsLab struct {
	t   *testing.T
	l   *lab.Lab
	w   *warden
	log string

	awaited, refused map[netip.Prefix]string // the forms by the addresses that they name
}

// address is that of the guesses in a form.
func (f *formsLab) address(i int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("198.18.%d.7", i))
}

func (f *formsLab) await(i int, form string) { f.awaited[netip.PrefixFrom(f.address(i), 32)] = form }

// banned waits for the bans.
func (f *formsLab) banned() {
	f.t.Helper()
	missing := ""
	defer func() {
		if missing != "" {
			f.t.Errorf("no ban from %d forms:%s", strings.Count(missing, "\n"), missing)
		}
	}()
	f.w.wait("bans from all forms", 10*time.Second, func() bool {
		listing, err := f.w.lab.PBX.Command(f.t.Context(), "nft", "-j", "list", "table", "inet", "tollwarden").Output()
		if err != nil {
			return false
		}
		now := ""
		for p, form := range f.awaited {
			if !kernelHolds(f.t, listing, p) {
				now += "\n" + form
			}
		}
		for p, form := range f.refused {
			if kernelHolds(f.t, listing, p) {
				f.t.Fatalf("a ban from %s", form)
			}
		}
		missing = now
		if now != "" {
			time.Sleep(200 * time.Millisecond)
		}
		return now == ""
	})
}

// byAsterisk has Asterisk write its log in each dateformat.
func (f *formsLab) byAsterisk() {
	for i, d := range dateFormats {
		conf := "[general]\ndateformat = " + d.format + "\n[logfiles]\nmessages = " + d.formatter + "notice,warning,error\n"
		if err := os.WriteFile(f.l.Path("etc/asterisk/logger.conf"), []byte(conf), 0o644); err != nil {
			f.t.Fatal(err)
		}
		for _, command := range []string{"logger reload", fmt.Sprintf("channel originate Local/1%d@forms application NoOp", i)} {
			if out, err := f.l.CLI(soon(f.t), command); err != nil {
				f.t.Fatalf("%s: %v: %s", command, err, out)
			}
		}
		f.await(i, fmt.Sprintf("dateformat %s %s", d.format, d.formatter))
	}
}

// noticeOf takes Asterisk's text apart.
var noticeOf = regexp.MustCompile(`(NOTICE|WARNING)\[\d+\](?:\[C-\w+\])?:? ([\w./]+\.c): (.*)`)

// relay hands on what Asterisk writes about a real guess, in every form.
func (f *formsLab) relay() {
	t := f.t
	if err := os.WriteFile(f.l.Path("etc/asterisk/logger.conf"), []byte("[general]\ndateformat = %F %T\n[logfiles]\nmessages = notice,warning,error\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := f.l.CLI(soon(t), "logger reload"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	guesser := addPhone(t, addHost(t, f.l, "guesser", guesserAddress), "1002")
	guesser.SetPassword("wrong")
	_ = guesser.Register(soon(t))
	var entry logforms.Entry
	f.w.wait("Asterisk's line about a guess", 5*time.Second, func() bool {
		text, _ := os.ReadFile(f.log)
		for line := range strings.SplitSeq(string(text), "\n") {
			if m := noticeOf.FindStringSubmatch(line); m != nil && strings.Contains(m[3], "failed for '"+guesserAddress) {
				entry = logforms.Entry{Level: m[1], File: m[2], Function: "f", Message: m[3]}
				return true
			}
		}
		return false
	})
	const first = 50
	for i, form := range logforms.Forms {
		switch {
		case form.DateFormat != "", strings.HasPrefix(form.Name, "journal, cat"), form.Name == "docker json-file, [json]", strings.Contains(form.Name, "in pieces"):
			continue // of logs with nothing else in them, or with a message of their own
		}
		f.guesses(form, entry, f.address(first+i))
		if form.Refused {
			f.refused[netip.PrefixFrom(f.address(first+i), 32)] = form.Name
		} else {
			f.await(first+i, form.Name)
		}
	}
}

// guesses appends three guesses from an address to the log.
func (f *formsLab) guesses(form logforms.Form, e logforms.Entry, from netip.Addr) {
	f.t.Helper()
	log, err := os.OpenFile(f.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	for n := range 3 {
		guess := e
		guess.Message = strings.ReplaceAll(strings.ReplaceAll(e.Message, guesserAddress, from.String()), "(callid: ", fmt.Sprintf("(callid: %d", n))
		if _, err := log.WriteString(form.Write(time.Now(), guess)); err != nil {
			f.t.Fatal(err)
		}
	}
}
