package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// stage is where the demo plays.
type stage struct {
	out      io.Writer
	start    time.Time
	brokenIn time.Time
	pbx      *amitest.PBX
	daemon   *daemon.Daemon
	socket   string // the daemon's
	wire     wire
	attack   []attackEvent
	story    story
}

func (s *stage) build(ctx context.Context, dir string, kernel bool) (err error) {
	if s.attack, err = readAttack(recorded); err != nil {
		return err
	}
	if kernel {
		if err := layNetwork(append(demoFriends, demoThief, demoOffice, demoPBX.Addr())); err != nil {
			return err
		}
	}
	if s.pbx, err = openPBX(dir); err != nil {
		return err
	}
	s.socket = filepath.Join(dir, "socket")
	cfg, err := config.Parse("demo", fmt.Appendf(nil,
		"data = %q\nsocket = %q\n[asterisk]\naddress = %q\nusername = \"tollwarden\"\nsecret = \"demo\"\nconfig_dir = %q\n",
		filepath.Join(dir, "data"), s.socket, s.pbx.Address(), dir), config.Env{Signals: settings.Signals()})
	if err != nil {
		return err
	}
	o := daemon.Options{Config: cfg, Log: zerolog.Nop(), Version: "demo", Firewall: daemon.InKernel, OnIncident: s.story.see}
	if !kernel {
		o.Firewall = func(c firewall.Config, _ zerolog.Logger) (firewall.Table, error) {
			memory := firewall.NewMemory(c)
			s.wire = memoryWire{memory}
			return memory, nil
		}
	}
	if s.daemon, err = daemon.New(ctx, o); err != nil {
		return err
	}
	if kernel {
		s.wire, err = newKernelWire(demoPBX)
	}
	return err
}

// openPBX starts the PBX with a colleague in a call and the account that the
// thieves are after.
func openPBX(dir string) (*amitest.PBX, error) {
	pbx, err := amitest.Start(amitest.Options{
		ConfigDir: dir, Users: []amitest.User{{Name: "tollwarden", Secret: "demo", Read: "security,call", Write: "system,config,command,call,reporting"}},
	})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		pbx.AddAccount(amitest.Account{Name: "1001", Secret: "office"}),
		pbx.AddAccount(amitest.Account{Name: "1002", Secret: demoSecret}),
	)
	pbx.Register(amitest.Contact{Account: "1001", Via: netip.AddrPortFrom(demoOffice, 5060), UserAgent: "desk phone"})
	pbx.AddChannel(amitest.Channel{Account: "1001", State: 6, CallerNum: "1001", Exten: "00442079460500"})
	return pbx, err
}

// pause gives what was just done time to have its effect, as the network does
// between two guesses.
func (s *stage) pause(ctx context.Context) {
	select {
	case <-time.After(150 * time.Millisecond):
	case <-ctx.Done():
	}
}

func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%7.3fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// wait returns the incident of a threshold when none of its steps is open.
func (s *stage) wait(ctx context.Context, threshold string) (incident.Incident, bool) {
	for ctx.Err() == nil {
		if i, ok := s.story.ended(threshold); ok {
			return i, true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return incident.Incident{}, false
}
