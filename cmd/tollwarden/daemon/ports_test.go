package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/binds"
)

// closing is a table and a watch that remember their ports, and an Asterisk that
// answers with what it is set to.
type closing struct {
	mu      sync.Mutex
	table   []uint16
	tcp     []uint16
	watch   []uint16
	refuse  error // what the table answers
	answer  binds.Answer
	err     error
	asked   []time.Duration // since begun
	begun   time.Time
	changes int
}

func (c *closing) SetPorts(udp, tcp []uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	c.table, c.tcp, c.changes = udp, tcp, c.changes+1
	return nil
}

// watching is the watch of a closing.
type watching struct{ *closing }

func (w watching) SetPorts(ports []uint16) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = ports
	return nil
}

func (w watching) SetTCPPorts([]uint16) error { return nil }

func (c *closing) ask(context.Context) (binds.Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, time.Since(c.begun))
	return c.answer, c.err
}

// listens sets what Asterisk answers.
func (c *closing) listens(err error, started string, list ...binds.Bind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer, c.err = binds.Answer{Started: started, Binds: list}, err
}

func (c *closing) expect(t *testing.T, when string, table, watch []uint16) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.table, table) || !slices.Equal(c.watch, watch) {
		t.Errorf("%s: the table closes %v and the watch reads %v, want %v and %v", when, c.table, c.watch, table, watch)
	}
}

func newClosing(t *testing.T, dir string) (*closing, *ports) {
	t.Helper()
	c := &closing{begun: time.Now()}
	p := newPorts(configuredUDP(5060, 5061), openPortsFile(dir, zerolog.Nop()), zerolog.Nop())
	p.table, p.watch, p.ask, p.unwatched = c, watching{c}, c.ask, func(time.Time) {}
	c.table, c.tcp, c.watch, _ = p.initial()
	return c, p
}

func configuredUDP(ports ...uint16) binds.Configured {
	return binds.Configured{UDP: ports, TCP: []uint16{5060}, AMI: 5038}
}

// Asterisk is asked when a session begins, again soon, then every minute, and at once
// for a port that an event names.
func TestPortsAreLearned(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c, p := newClosing(t, dir)
		if check := p.check(time.Now()); check.OK {
			t.Errorf("before the first question: %+v", check)
		}
		c.listens(nil, "monday", binds.Bind{Port: 5060, Driver: binds.PJSIP})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.keep(ctx) }()
		synctest.Wait()
		c.expect(t, "at first", []uint16{5060, 5061}, []uint16{5060, 5061})
		if check := p.check(time.Now()); !check.OK || !strings.Contains(check.Detail, "UDP 5060, 5061; TCP 5038") {
			t.Errorf("at first: %+v", check)
		}
		c.listens(nil, "monday", binds.Bind{Port: 5160, Driver: binds.ChanSIP}, binds.Bind{Port: 4569, Driver: binds.IAX2})
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(c.asked[:5]); got != "[0s 5s 15s 35s 1m15s]" || len(c.asked) > 70 || len(c.asked) < 60 {
			t.Errorf("asked %d times: %s", len(c.asked), got)
		}
		c.expect(t, "an hour later", []uint16{4569, 5060, 5061, 5160}, []uint16{5060, 5061, 5160})
		if c.changes != 1 {
			t.Errorf("the kernel's rules were replaced %d times", c.changes)
		}

		// An event names a port: it is closed once Asterisk confirms it.
		c.listens(nil, "monday", binds.Bind{Port: 5170, Driver: binds.PJSIP})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		asked := len(c.asked)
		p.name(event.UDP, 5170)
		synctest.Wait()
		time.Sleep(askPortsPause)
		synctest.Wait()
		c.expect(t, "named", []uint16{4569, 5060, 5061, 5160, 5170}, []uint16{5060, 5061, 5160, 5170})
		if len(c.asked) != asked+1 {
			t.Errorf("asked %d times for it", len(c.asked)-asked)
		}

		// So does one over TCP or TLS; the near end of a connection of Asterisk's own does
		// not matter.
		if want := []uint16{5038, 5060}; !slices.Equal(c.tcp, want) {
			t.Errorf("TCP: %v, want %v", c.tcp, want)
		}
		c.answer.TCP = []binds.Bind{{Port: 5061, Driver: binds.PJSIP}, {Port: 8089, Driver: binds.HTTP}}
		asked = len(c.asked)
		p.name(event.TCP, 5060)
		p.name(event.TCP, 45060)
		synctest.Wait()
		time.Sleep(askPortsPause)
		synctest.Wait()
		if len(c.asked) != asked {
			t.Error("asked for a port that is closed, or for an ephemeral one")
		}
		p.name(event.TLS, 5061)
		synctest.Wait()
		time.Sleep(askPortsPause)
		synctest.Wait()
		if want := []uint16{5038, 5060, 5061, 8089}; !slices.Equal(c.tcp, want) {
			t.Errorf("TCP: %v, want %v", c.tcp, want)
		}

		// Nobody can have a port closed, or Asterisk asked without end.
		asked = len(c.asked)
		for i := range 10_000 {
			p.name(event.UDP, uint16(10000+i%5))
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if n := len(c.asked) - asked; n > 6 {
			t.Errorf("asked %d times within 10 s", n)
		}
		c.expect(t, "forged", []uint16{4569, 5060, 5061, 5160, 5170}, []uint16{5060, 5061, 5160, 5170})
		if check := p.check(time.Now()); check.OK || !strings.Contains(check.Detail, "10000, 10001, 10002, 10003, 10004") {
			t.Errorf("events on other ports: %+v", check)
		}

		// A question that fails takes nothing away.
		c.listens(errors.New("refused"), "")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		c.expect(t, "refused", []uint16{4569, 5060, 5061, 5160, 5170}, []uint16{5060, 5061, 5160, 5170})
		if check := p.check(time.Now()); check.OK || !strings.Contains(check.Detail, "refused") {
			t.Errorf("refused: %+v", check)
		}
		cancel()
		<-done
	})
	synctest.Test(t, func(t *testing.T) {
		c, p := newClosing(t, dir)
		c.expect(t, "after a restart of the daemon", []uint16{4569, 5060, 5061, 5160, 5170}, []uint16{5060, 5061, 5160, 5170})
		c.listens(nil, "tuesday", binds.Bind{Port: 5180, Driver: binds.PJSIP})
		p.question(t.Context())
		c.expect(t, "while Asterisk loads its modules", []uint16{4569, 5060, 5061, 5160, 5170, 5180}, []uint16{5060, 5061, 5160, 5170, 5180})
		time.Sleep(time.Minute)
		p.question(t.Context())
		c.expect(t, "after a restart of Asterisk", []uint16{5060, 5061, 5180}, []uint16{5060, 5061, 5180})
	})
}

// A reload changes the configured ports and keeps the learned ones; what the kernel
// refuses changes nothing.
func TestPortsAreConfigured(t *testing.T) {
	c, p := newClosing(t, t.TempDir())
	c.listens(nil, "monday", binds.Bind{Port: 5160, Driver: binds.ChanSIP})
	p.question(t.Context())
	if err := p.configure(configuredUDP(5060, 5061), configuredUDP(5080)); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "reloaded", []uint16{5080, 5160}, []uint16{5080, 5160})
	c.refuse = errors.New("the kernel refuses")
	if err := p.configure(configuredUDP(5080), configuredUDP(5090)); err == nil {
		t.Error("no error")
	}
	c.refuse = nil
	p.question(t.Context())
	c.expect(t, "refused", []uint16{5080, 5160}, []uint16{5080, 5160})
	if check := p.check(time.Now()); !check.OK {
		t.Errorf("%+v", check)
	}
}

// A file that cannot be read prevents no start.
func TestPortsFile(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"", "{", `{"binds":[{"port":70000}]}`, `{"binds":"x"}`} {
		writeFile(t, filepath.Join(dir, "ports.json"), text)
		if f := openPortsFile(dir, zerolog.Nop()); len(f.kept.Binds) > 0 {
			t.Errorf("%q: %+v", text, f.kept)
		}
	}
}

// The daemon learns the ports of the PBX, shows them in status, and keeps them over a
// reload of its configuration.
func TestDaemonLearnsPorts(t *testing.T) {
	s := newSite(t, "")
	if err := s.pbx.SetFile("pjsip.conf", s.pbx.File("pjsip.conf")+"\n[udp]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:5170\n"); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.listening()
	ports := func() string { return fmt.Sprint(s.status().Firewall.Ports) }
	s.wait("the port", func() bool { return strings.Contains(ports(), "{5170 [PJSIP]}") })
	if check := s.check("ports"); !check.OK {
		t.Errorf("%+v", check)
	}
	s.configure("[firewall]\nsip_ports = [5080]\n")
	if _, err := s.api.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ports(); got != "[{5060 [chan_sip]} {5080 [sip_ports]} {5170 [PJSIP]}]" {
		t.Errorf("%s", got)
	}
}
