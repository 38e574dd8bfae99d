package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
)

// withoutProof says what follows when challenges are not seen.
const withoutProof = "attackers over UDP cannot be confirmed, so each is banned only for bans.spoofable, again and again while it guesses"

// openWatch makes the table that tells of challenges. Without them the daemon
// goes on: everything works, but nobody gets the ladder for what he does over UDP. In
// mode observe nothing of the kernel is touched.
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

// seeChallenges takes challenges in until ctx ends. What keeps it from that ends
// nothing else.
func (d *daemon) seeChallenges(ctx context.Context, run func(context.Context, func(firewall.Challenge)) error) error {
	if err := run(ctx, d.challenged); err != nil {
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

func (d *daemon) challenged(c firewall.Challenge) {
	d.responder.Challenged(time.Now(), c.To.Addr(), c.For, c.Nonce)
}

// proof is no reason to be degraded: every guesser is still stopped.
func (k desk) proof(now time.Time) control.Check {
	c := control.Check{Name: "proof", OK: true, Detail: "challenges are seen"}
	if err := k.d.blindSpot.Load(); err != nil {
		c.Detail = "off, " + withoutProof + ": " + (*err).Error()
	} else if left := k.d.responder.Unproven(now); left > 0 {
		c.Detail = fmt.Sprintf("off for %s, as challenges came faster than they were read: %s", left.Round(time.Second), withoutProof)
	}
	return c
}
