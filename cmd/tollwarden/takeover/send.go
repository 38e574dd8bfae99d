package takeover

import (
	"context"
	"errors"
	"os"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/operator"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

// Send gives everything to a running daemon. control.ErrNotRunning: none runs.
func (im *Import) Send(ctx context.Context, daemon *control.Client) error {
	allowed, err := daemon.AllowList(ctx)
	if err != nil {
		return err
	}
	var have []config.AllowItem
	for _, a := range allowed {
		if a.Origin != control.Learned && a.InForce() {
			have = append(have, config.AllowItem{Prefix: a.Prefix, Name: a.Name})
		}
	}
	im.allow(have, func(item config.AllowItem) error {
		_, err := daemon.Allow(ctx, control.AllowOrder{Prefix: item.Prefix, Name: item.Name, Force: item.Force, Comment: im.comment, By: os.Getenv("SUDO_USER")})
		return err
	})
	from, sessions := operator.Address(), operator.SSHSessions("/proc")
	var gone error
	im.takeOver(func(b Ban) error {
		if gone != nil {
			return gone
		}
		_, err := daemon.Ban(ctx, control.BanOrder{Prefix: b.Prefix, For: b.Left(im.now), Reason: im.reason(b), Operator: from, Sessions: sessions})
		if errors.Is(err, control.ErrNotRunning) || ctx.Err() != nil {
			gone = err
		}
		return err
	})
	return gone
}
