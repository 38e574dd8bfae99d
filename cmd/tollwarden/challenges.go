package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// withoutProof says what follows when challenges are not seen.
const withoutProof = "attackers over UDP cannot be confirmed, so each is banned only for bans.spoofable, again and again while it guesses"

// openWatch makes the table that shows challenges. The daemon works without them,
// but what is done over UDP then never moves anybody up the ladder. Mode observe
// touches nothing in the kernel.
func (d *daemon) openWatch() error {
	if d.cfg.Mode == config.Observe || !isKernel(d.table) {
		err := errors.New("nothing of the kernel is touched")
		d.blindSpot.Store(&err)
		return nil
	}
	var err error
	if d.watch, err = firewall.OpenWatch(tableConfig(d.cfg)); err != nil && !errors.Is(err, firewall.ErrNoLog) {
		return err
	}
	d.closing(d.watch.Close)
	if err != nil {
		d.goBlind(err)
	}
	return nil
}

// seeChallenges takes in challenges until ctx ends. An error ends nothing else.
func (d *daemon) seeChallenges(ctx context.Context, run func(context.Context, func(firewall.Packet)) error) error {
	if err := run(ctx, d.packet); err != nil {
		d.goBlind(err)
	}
	return nil
}

func (d *daemon) goBlind(err error) {
	d.blindSpot.Store(&err)
	d.log.Warn().Err(err).Msg("going on without proof: " + withoutProof)
}

func isKernel(t firewall.Table) bool {
	_, ok := t.(*firewall.Kernel)
	return ok
}

// packet takes in a challenge that left for a phone, or the news that some packets
// were missed. Other packets are none of its business.
func (d *daemon) packet(p firewall.Packet) {
	if !p.To.IsValid() {
		d.engine.Challenged(p.At, netip.Addr{}, nil, nil)
		return
	}
	if p.Direction != firewall.Out || !bytes.HasPrefix(p.Payload, []byte(sip.ChallengePrefix)) {
		return
	}
	sip.Challenges(p.Payload, func(c sip.Challenge) {
		d.engine.Challenged(p.At, p.To.Addr(), c.For, c.Nonce)
	})
}

// proof is no reason to be degraded: every guesser is still stopped.
func (k desk) proof(now time.Time) control.Check {
	c := control.Check{Name: "proof", OK: true, Detail: "challenges are seen"}
	if err := k.d.blindSpot.Load(); err != nil {
		c.Detail = "off, " + withoutProof + ": " + (*err).Error()
	} else if left := k.d.engine.Senses(now).ProofSuspended; left > 0 {
		c.Detail = fmt.Sprintf("off for %s, as challenges came faster than they were read: %s", left.Round(time.Second), withoutProof)
	}
	return c
}
