package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
)

// demoWithin is the most time a demo takes.
const demoWithin = 30 * time.Second

// insideEnv marks the process that plays the demo in a network namespace.
const insideEnv = "TOLLWARDEN_DEMO_NAMESPACE"

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Play an attack against the real daemon, and show how it ends", Args: args(cobra.NoArgs),
		Long: "Play a recorded attack against the real daemon and a small PBX that speaks AMI.\n" +
			"As root the drops are made by the kernel, in a network namespace of their own;\n" +
			"otherwise by a firewall in memory. Exit code 1 when the attack was not stopped.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Geteuid() == 0 && os.Getenv(insideEnv) == "" {
				return demoInNamespace(cmd)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), demoWithin)
			defer cancel()
			return playDemo(ctx, cmd.OutOrStdout(), os.Getenv(insideEnv) != "")
		},
	}
}

// demoInNamespace runs the demo in a process whose network is its own.
func demoInNamespace(cmd *cobra.Command) error {
	inside := exec.CommandContext(cmd.Context(), "/proc/self/exe", "demo")
	inside.Env = append(os.Environ(), insideEnv+"=1")
	inside.Stdout, inside.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
	inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode{code: exitFailed} // it has said why
	}
	return err
}

// recorded are the security and channel events of a real break-in on a real
// Asterisk 22: five wrong guesses from 192.0.2.66, the right one, and five
// calls to one number behind different prefixes.
//
//go:embed demo_attack.txt
var recorded []byte

// The people of the demo.
var (
	demoPBX     = netip.MustParseAddrPort("192.0.2.1:5060")
	demoOffice  = netip.MustParseAddr("198.51.100.10")
	demoThief   = netip.MustParseAddr("192.0.2.66") // as recorded
	demoFriends = []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("203.0.113.9")}
)

const demoSecret = "easy-to-guess"

// playDemo plays the attack twice: once by a thief with one address, once by
// one with three. The wire is the kernel's or, without one, the memory's.
func playDemo(ctx context.Context, out io.Writer, kernel bool) (err error) {
	dir, err := os.MkdirTemp("", "tollwarden-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{out: out, start: time.Now()}
	if err := s.build(dir, kernel); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.pbx.Close(), s.wire.Close()) }()
	s.say("The daemon runs on its defaults beside a small PBX; %s.", s.wire)

	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.daemon.run(ctx) })
	err = s.play(ctx)
	cancel()
	err = errors.Join(err, g.Wait())
	s.daemon.close()
	return err
}

func (s *stage) play(ctx context.Context) error {
	if err := s.pbx.WaitSessions(ctx, 2); err != nil {
		return fmt.Errorf("the daemon did not log in: %w", err)
	}
	if err := s.singleThief(ctx); err != nil {
		return err
	}
	if err := s.threeThieves(ctx); err != nil {
		return err
	}
	return s.verdict(ctx)
}

// singleThief guesses from one address until its packets no longer arrive.
func (s *stage) singleThief(ctx context.Context) error {
	s.say("1. A guesser at %s tries passwords on 1002.", demoThief)
	guesses := 0
	for _, e := range s.attack {
		if e.kind == event.SuccessfulAuth {
			return errors.New("demo: the guesser got in: nobody stopped it")
		}
		if !s.wire.reaches(demoThief) {
			break
		}
		s.pbx.Raw("security", e.text)
		if e.kind == event.ChallengeResponseFailed {
			guesses++
			s.say("   wrong password, guess %d", guesses)
			s.pause(ctx)
		}
	}
	s.say("   the next packet does not arrive: %s is dropped after %d guesses.", demoThief, guesses)
	return nil
}

// threeThieves guess from three addresses, two guesses each, so that no single
// one is conspicuous; the last guess is right, and the calls come with it.
func (s *stage) threeThieves(ctx context.Context) error {
	s.say("2. Another thief goes about it with three addresses, two guesses each.")
	guesses, last := 0, demoFriends[0]
	for _, e := range s.attack {
		if e.kind == event.ChallengeResponseFailed {
			last = demoFriends[guesses/2]
			guesses++
		}
		if e.kind == event.SuccessfulAuth {
			break
		}
		if !s.wire.reaches(last) {
			return fmt.Errorf("demo: %s was dropped for two guesses", last)
		}
		s.pbx.Raw("security", e.from(last))
		if e.kind == event.ChallengeResponseFailed {
			s.say("   wrong password from %s", last)
			s.pause(ctx)
		}
	}
	s.say("   the next guess, from %s, is right. It registers and calls, all at once:", last)
	s.brokenIn = time.Now()
	s.pbx.Register(amitest.Contact{Account: "1002", Via: netip.AddrPortFrom(last, 5060), UserAgent: "friendly-scanner"})
	for _, e := range s.attack {
		switch e.kind {
		case event.SuccessfulAuth:
			s.pbx.Raw("security", e.from(last))
		case event.Newchannel:
			s.pbx.AddChannel(amitest.Channel{Account: "1002", State: 6, CallerNum: "1002", Exten: e.dialled})
			s.say("   call to %s is up", e.dialled)
		}
	}
	return nil
}

// verdict waits for the incident's end and checks with the PBX and the wire,
// not with the daemon, that the attack was stopped.
func (s *stage) verdict(ctx context.Context) error {
	thief := demoFriends[2]
	for !s.contained(thief) {
		if ctx.Err() != nil {
			return errors.New("demo: the break-in was not contained in time")
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.say("3. Contained %s after the right guess:", time.Since(s.brokenIn).Round(time.Millisecond))
	s.say("   packets from %s no longer arrive, 1002 has no call, no registration and another secret.", thief)
	if s.pbx.Secret("1001") != "office" || len(s.pbx.Contacts("1001")) != 1 || !s.wire.reaches(demoOffice) || len(s.pbx.Channels()) != 1 {
		return errors.New("demo: the office was harmed")
	}
	s.say("   1001 at %s is still registered and in its call.", demoOffice)
	found, ok := s.wait(ctx, "break-in")
	if !ok {
		return errors.New("demo: the incident was not recorded")
	}
	fmt.Fprintln(s.out)
	recorded, err := s.daemon.ledger.Incident(ctx, found.ID)
	if err != nil {
		return err
	}
	return report.Of(recorded, time.Local).Text(s.out)
}

func (s *stage) contained(thief netip.Addr) bool {
	for _, name := range s.pbx.Channels() {
		if bytes.HasPrefix([]byte(name), []byte("PJSIP/1002-")) {
			return false
		}
	}
	return s.pbx.Secret("1002") != demoSecret && len(s.pbx.Contacts("1002")) == 0 && !s.wire.reaches(thief)
}

// stage is where the demo plays.
type stage struct {
	out      io.Writer
	start    time.Time
	brokenIn time.Time
	pbx      *amitest.PBX
	daemon   *daemon
	wire     wire
	attack   []deed
	story    story
}

func (s *stage) build(dir string, kernel bool) (err error) {
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
	cfg, err := config.Parse("demo", fmt.Appendf(nil,
		"data = %q\nsocket = %q\n[asterisk]\naddress = %q\nusername = \"tollwarden\"\nsecret = \"demo\"\nconfig_dir = %q\n",
		filepath.Join(dir, "data"), filepath.Join(dir, "socket"), s.pbx.Address(), dir), config.Env{Signals: signalNames()})
	if err != nil {
		return err
	}
	build := inMemory
	if kernel {
		build = inKernel
	}
	if s.daemon, err = newDaemon(time.Now(), cfg, zerolog.Nop(), build, s.story.see); err != nil {
		return err
	}
	if kernel {
		s.wire, err = newKernelWire(demoPBX)
		return err
	}
	s.wire = memoryWire{s.daemon.table}
	return nil
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
