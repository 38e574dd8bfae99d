package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// iax2 adds chan_iax2 to a lab, with an account that needs no call token.
func iax2(o lab.Options, general string) lab.Options {
	if o.Append == nil {
		o.Append, o.Files = map[string]string{}, map[string]string{}
	}
	o.Append["modules.conf"] += "load = res_crypto.so\nload = chan_iax2.so\n"
	o.Files["iax.conf"] = "[general]\nauthdebug = yes\n" + general + "\ncalltokenoptional = 0.0.0.0/0.0.0.0\n[2001]\ntype = friend\nhost = dynamic\nauth = md5\nrequirecalltoken = no\nsecret = lab-iax-2001\n"
	return o
}

// onAnotherPort is a lab whose SIP over UDP is on this port, too (PJSIP), or only there
// (chan_sip, as FreePBX has it).
func onAnotherPort(v lab.Version, port int) lab.Options {
	return lab.Options{Version: v, Append: map[string]string{confFile(v): moved(v, port)}, Files: map[string]string{}}
}

func confFile(v lab.Version) string {
	if v == lab.Asterisk16 {
		return "sip.conf"
	}
	return "pjsip.conf"
}

// moved are the lines that make Asterisk listen on a port.
func moved(v lab.Version, port int) string {
	if v == lab.Asterisk16 {
		return fmt.Sprintf("[general](+)\nudpbindaddr = 0.0.0.0:%d\n", port)
	}
	return fmt.Sprintf("[udp](!)\ntype = transport\nprotocol = udp\n[transport %d](udp)\nbind = 0.0.0.0:%d\n", port, port)
}

// closedPorts waits until status names the port with this source.
func (w *warden) closedPort(port uint16, from string) time.Duration {
	w.t.Helper()
	return w.wait(fmt.Sprintf("port %d of %s to be closed", port, from), 10*time.Second, func() bool {
		s, err := w.client().Status(w.t.Context())
		if err != nil {
			return false
		}
		for _, p := range s.Firewall.Ports {
			if p.Port == port && strings.Contains(strings.Join(p.From, " "), from) {
				return true
			}
		}
		return false
	})
}

// driver is what listens for SIP in a lab, as status calls it.
func driver(l *lab.Lab) string {
	if l.Version == lab.Asterisk16 {
		return "chan_sip"
	}
	return "PJSIP"
}

// stopped says that a guesser got at most ten answers after the threshold.
func stopped(t *testing.T, what string, g lab.Guesses, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d of %d guesses were answered", what, g.Answered, g.Sent)
	if g.Answered == 0 || g.Answered > threshold+10 {
		t.Errorf("%s: %d of %d guesses were answered", what, g.Answered, g.Sent)
	}
}

// A guesser is stopped on whatever UDP port Asterisk takes SIP: one that it had when
// the daemon started, and one that a reload adds while the daemon runs.
func TestGuesserOnAnotherPort(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, onAnotherPort(v, 5160))
			w := guard(t, l, threshold)
			w.closedPort(5160, driver(l))
			first := addHost(t, l, "first", "203.0.113.21")
			g, err := lab.Guesser{Host: first, Account: "1002", Port: 5160, Rate: 300, Most: 300, Ask: true}.Run(soon(t))
			stopped(t, "a port that was there", g, err)

			appendTo(t, l.Path("/etc/asterisk/"+confFile(v)), "\n"+strings.Replace(moved(v, 5170), "[udp](!)\ntype = transport\nprotocol = udp\n", "", 1))
			reload := "module reload res_pjsip.so"
			if v == lab.Asterisk16 {
				reload = "sip reload"
			}
			if out, err := l.CLI(soon(t), reload); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			time.Sleep(time.Second) // the reload goes on in the background
			g, err = lab.Guesser{Host: addHost(t, l, "second", "203.0.113.22"), Account: "1002", Port: 5170, Rate: 300, Most: 300, Ask: true}.Run(soon(t))
			stopped(t, "a port that a reload added", g, err)
			w.closedPort(5170, driver(l))

			// The first guesser, whose ban is in force, gets nothing from the new port.
			g, err = lab.Guesser{Host: first, Account: "1002", Port: 5170, Rate: 300, Most: 10, Ask: true}.Run(soon(t))
			if err != nil || g.Answered > 0 {
				t.Errorf("a banned guesser: %d answers, %v", g.Answered, err)
			}
			out, err := w.tollwarden("status", "--verbose", "--socket", w.socket())
			if err != nil || !strings.Contains(out, fmt.Sprintf("5160 (%s)", driver(l))) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A guesser of chan_iax2, whom only the log shows, is stopped on its port.
func TestIAX2GuesserIsStopped(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions() {
		t.Run("Asterisk"+string(v), func(t *testing.T) {
			t.Parallel()
			for port, general := range map[uint16]string{4569: "", 4579: "bindport = 4579"} {
				l := lab.New(t, iax2(lab.Options{Version: v}, general))
				w := withLog(t, l, threshold)
				w.closedPort(port, "IAX2")
				g, err := lab.IAXGuesser{Host: addHost(t, l, "attacker", guesserAddress), Account: "2001", Port: port, Rate: 300, Most: 300}.Run(soon(t))
				stopped(t, fmt.Sprint("port ", port), g, err)
			}
		})
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
