package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

// The people of the demo.
var (
	demoPBX     = netip.MustParseAddrPort("192.0.2.1:5060")
	demoOffice  = netip.MustParseAddr("198.51.100.10")
	demoThief   = netip.MustParseAddr("192.0.2.66") // as recorded
	demoFriends = []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("203.0.113.9")}
)

const demoSecret = "easy-to-guess"

// Play plays the attack twice: from one address, and from three. With kernel, which
// takes a network namespace of its own and root, the kernel drops the packets;
// otherwise a firewall in memory does. Its error says what was not stopped.
func Play(ctx context.Context, out io.Writer, kernel bool) (err error) {
	dir, err := os.MkdirTemp("", "tollwarden-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{out: out, start: time.Now()}
	if err := s.build(ctx, dir, kernel); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.pbx.Close(), s.wire.Close()) }()
	s.say("The daemon runs on its defaults beside a small PBX; %s.", s.wire)

	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.daemon.Run(ctx) })
	err = s.play(ctx)
	cancel()
	err = errors.Join(err, g.Wait())
	s.daemon.Close()
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
			return errors.New("demo: the guesser got in: it was not stopped")
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

// threeThieves guess from three addresses, two guesses each, so that none stands
// out; the last guess is right, and calls follow.
func (s *stage) threeThieves(ctx context.Context) error {
	s.say("2. Another attacker uses three addresses of a network, over TCP, with two guesses from each.")
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

// verdict waits until the attack is contained and checks with the PBX and the wire,
// not with the daemon.
func (s *stage) verdict(ctx context.Context) error {
	thief := demoFriends[2]
	for !s.contained(thief) {
		if ctx.Err() != nil {
			return errors.New("demo: the break-in was not contained in time")
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.say("3. Contained %s after the right guess:", time.Since(s.brokenIn).Round(time.Millisecond))
	s.say("   packets from %s no longer arrive; 1002 has no calls, no registration and a new password.", thief)
	if s.pbx.Secret("1001") != "office" || len(s.pbx.Contacts("1001")) != 1 || !s.wire.reaches(demoOffice) || len(s.pbx.Channels()) != 1 {
		return errors.New("demo: the office was affected")
	}
	s.say("   1001 at %s is still registered and in its call.", demoOffice)
	found, ok := s.wait(ctx, "break-in")
	if !ok {
		return errors.New("demo: the incident was not recorded")
	}
	fmt.Fprintln(s.out)
	recorded, err := control.Dial(s.socket).Incident(ctx, found.ID)
	if err != nil {
		return err
	}
	if twice(recorded.Evidence) {
		return errors.New("demo: an observation is recorded twice")
	}
	return report.Of(recorded, time.Local).Text(s.out)
}

// twice reports whether an observation stands twice in the evidence, which would be false.
func twice(list []incident.Evidence) bool {
	seen := map[score.Record]bool{}
	for _, o := range list {
		if seen[o.Record] {
			return true
		}
		seen[o.Record] = true
	}
	return false
}

func (s *stage) contained(thief netip.Addr) bool {
	for _, name := range s.pbx.Channels() {
		if strings.HasPrefix(name, "PJSIP/1002-") {
			return false
		}
	}
	return s.pbx.Secret("1002") != demoSecret && len(s.pbx.Contacts("1002")) == 0 && !s.wire.reaches(thief)
}
