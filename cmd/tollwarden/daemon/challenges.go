package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// WithoutProof says what follows if the kernel shows no challenges.
const WithoutProof = "attackers over UDP cannot be confirmed, so each is banned only for bans.spoofable, again and again while it guesses"

// challenges are the packets with which Asterisk challenges phones, as the kernel
// shows them. An answer to one proves where a phone is.
type challenges struct {
	watch  *firewall.Watch // nil if the kernel's firewall is not used
	engine *responder.Engine
	log    zerolog.Logger
	err    atomic.Pointer[error] // why they are not seen; nil if they are
}

// openChallenges makes the kernel show challenges. The daemon works without them,
// but then nothing over UDP moves anybody up the ladder. Mode observe touches
// nothing in the kernel.
func openChallenges(cfg *config.Config, table firewall.Table, log zerolog.Logger) (*challenges, error) {
	c := &challenges{log: log}
	if _, inKernel := table.(*firewall.Kernel); !inKernel || cfg.Mode == config.Observe {
		err := errors.New("the kernel's firewall is not used in this mode")
		c.err.Store(&err)
		return c, nil
	}
	var err error
	if c.watch, err = firewall.OpenWatch(settings.Firewall(cfg), sip.ChallengePrefix); err != nil && !errors.Is(err, firewall.ErrNoLog) {
		return nil, err
	}
	if err != nil {
		c.failed(err)
	}
	return c, nil
}

func (c *challenges) close() error {
	if c.watch == nil {
		return nil
	}
	return c.watch.Close()
}

// run handles challenges until ctx ends.
func (c *challenges) run(ctx context.Context) error {
	if c.watch != nil {
		c.listen(ctx, c.watch.Run)
	}
	return nil
}

// listen handles what watch delivers. Its failure ends nothing else.
func (c *challenges) listen(ctx context.Context, watch func(context.Context, func(firewall.Packet)) error) {
	if err := watch(ctx, c.packet); err != nil {
		c.failed(err)
	}
}

func (c *challenges) failed(err error) {
	c.err.Store(&err)
	c.log.Warn().Err(err).Msg("challenges are not seen: " + WithoutProof)
}

// packet handles a packet to a phone. One without a destination reports that some
// were missed.
func (c *challenges) packet(p firewall.Packet) {
	if !p.To.IsValid() {
		c.engine.Challenged(p.At, netip.Addr{}, nil, nil)
		return
	}
	sip.Challenges(p.Payload, func(ch sip.Challenge) {
		c.engine.Challenged(p.At, p.To.Addr(), ch.For, ch.Nonce)
	})
}

// check never fails: every guesser is stopped without challenges too.
func (c *challenges) check(_ time.Time, senses responder.Senses) control.Check {
	check := control.Check{Name: "proof", OK: true, Detail: "challenges are seen"}
	if err := c.err.Load(); err != nil {
		check.Detail = "off, " + WithoutProof + ": " + (*err).Error()
	} else if left := senses.ProofSuspended; left > 0 {
		check.Detail = fmt.Sprintf("off for %s, because challenges came faster than they were read: %s", left.Round(time.Second), WithoutProof)
	}
	return check
}
