package takeover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/operator"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Store writes everything into the data folder of a daemon that does not run, for
// its next start.
func (im *Import) Store(ctx context.Context, cfg *config.Config) error {
	im.Offline = true
	file, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return err
	}
	var allowed []config.AllowItem
	for _, p := range settings.Allow(cfg) {
		allowed = append(allowed, config.AllowItem{Prefix: p})
	}
	for _, item := range append(file.Items(), cfg.Firewall.Allow...) {
		if item.InForce(im.now) {
			allowed = append(allowed, item)
		}
	}
	im.allow(allowed, func(item config.AllowItem) error {
		file = file.With(item, im.now, cmp.Or(os.Getenv("SUDO_USER"), "import"), im.comment)
		return nil
	})
	if len(im.Allowed) > 0 {
		if err := file.Write(); err != nil {
			return err
		}
	}
	l, err := ledger.Open(settings.LedgerPath(cfg), ledger.Options{})
	if err != nil {
		return err
	}
	allowed = append(allowed, im.Allowed...)
	people := append(operator.SSHSessions("/proc"), operator.Address())
	im.takeOver(func(b Ban) error {
		if why := cutsOff(b.Prefix, people); why != "" {
			return errors.New(why)
		}
		if slices.ContainsFunc(allowed, func(item config.AllowItem) bool { return item.Prefix.IsValid() && item.Prefix.Overlaps(b.Prefix) }) {
			return errAllowed
		}
		ban := incident.Ban{Prefix: b.Prefix, Since: b.Since, Reason: im.reason(b), Origin: incident.OriginOperator}
		if b.Until != nil {
			ban.Until = *b.Until
		}
		l.PutBan(ban)
		return nil
	})
	return errors.Join(l.Flush(ctx), l.Close())
}

// cutsOff says whom a ban would cut off, as the daemon does for the bans that Send gives it;
// "" if nobody.
func cutsOff(ban netip.Prefix, people []netip.Addr) string {
	for _, a := range people {
		if ban.Contains(a) {
			return fmt.Sprintf("somebody is logged in by SSH from %s", a)
		}
	}
	return ""
}
