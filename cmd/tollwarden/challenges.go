package main

import (
	"errors"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
)

// withoutProof is what it means that challenges are not seen.
const withoutProof = "a guesser over UDP does not prove itself, and is banned again and again for the time of bans.claimed"

// openWatch makes the table that tells of challenges. Without them the daemon
// goes on: everything works, but a guesser over UDP never gets the ladder. In
// mode observe nothing of the kernel is touched.
func (d *daemon) openWatch() error {
	if d.cfg.Mode == config.Observe || !isKernel(d.table) {
		d.blindSpot = errors.New("nothing of the kernel is touched")
		return nil
	}
	var err error
	if d.watch, err = firewall.OpenWatch(tableConfig(d.cfg)); err != nil && !errors.Is(err, firewall.ErrNoLog) {
		return err
	}
	d.closing(d.watch.Close)
	if d.blindSpot = err; err != nil {
		d.log.Warn().Err(err).Msg("going on without proof: " + withoutProof)
	}
	return nil
}

func isKernel(t firewall.Table) bool {
	_, ok := t.(*firewall.Kernel)
	return ok
}

func (d *daemon) challenged(c firewall.Challenge) {
	d.responder.Challenged(time.Now(), c.To.Addr(), c.For, c.Nonce)
}

// proof is no reason to be degraded: every guesser is still stopped.
func (k desk) proof() control.Check {
	if err := k.d.blindSpot; err != nil {
		return control.Check{Name: "proof", OK: true, Detail: "off, " + withoutProof + ": " + err.Error()}
	}
	return control.Check{Name: "proof", OK: true, Detail: "challenges are seen"}
}
