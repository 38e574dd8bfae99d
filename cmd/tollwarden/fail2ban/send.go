package fail2ban

import (
	"context"
	"errors"
	"net/netip"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/operator"
	"github.com/tollwarden/tollwarden/responder/control"
)

// comment is the reason on the allow list.
const comment = "fail2ban ignoreip"

// Send gives everything to a running daemon. control.ErrNotRunning: none runs.
func (im *Import) Send(ctx context.Context, daemon *control.Client) error {
	allowed, err := daemon.AllowList(ctx)
	if err != nil {
		return err
	}
	var have []netip.Prefix
	for _, a := range allowed {
		if a.Origin != control.Learned {
			have = append(have, a.Prefix)
		}
	}
	im.allow(have, func(p netip.Prefix) error {
		_, err := daemon.Allow(ctx, control.AllowOrder{Prefix: p, Comment: comment})
		return err
	})
	from, sessions := operator.Address(), operator.SSHSessions("/proc")
	var gone error
	im.takeOver(func(b Ban) error {
		if gone != nil {
			return gone
		}
		_, err := daemon.Ban(ctx, control.BanOrder{Prefix: b.Prefix, For: b.left(im.now), Reason: b.reason(), Operator: from, Sessions: sessions})
		if errors.Is(err, control.ErrNotRunning) || ctx.Err() != nil {
			gone = err
		}
		return err
	})
	return gone
}
