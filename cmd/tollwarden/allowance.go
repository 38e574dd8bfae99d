package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
)

// allowance is what is never banned: the configuration's list, Asterisk's
// manager interface, and the allow file, which people change while the daemon
// runs.
type allowance struct {
	mu   sync.Mutex
	cfg  *config.Config
	file *config.AllowFile
}

// openAllowance reads the allow file in the data folder. Its mistakes are told
// like those of the configuration; a disk that does not answer keeps no daemon
// from protecting.
func openAllowance(cfg *config.Config, log zerolog.Logger) (*allowance, error) {
	file, err := config.LoadAllowFile(allowPath(cfg))
	if err != nil && !isProblem(err) {
		log.Error().Err(err).Msg("going on without the allow file")
		return &allowance{cfg: cfg, file: &config.AllowFile{}}, nil
	}
	return &allowance{cfg: cfg, file: file}, err
}

func allowPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "allow") }

// reload takes the list of another configuration and returns the one before,
// for taking that back.
func (a *allowance) reload(cfg *config.Config) (before *config.Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, a.cfg = a.cfg, cfg
	return before
}

// list is everything on it, by origin.
func (a *allowance) list() []control.Allowed {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []control.Allowed
	for _, p := range a.cfg.Firewall.Allow {
		list = append(list, control.Allowed{Prefix: p, Origin: control.FromConfig, Reason: "firewall.allow"})
	}
	if p, ok := managerHost(a.cfg); ok {
		list = append(list, control.Allowed{Prefix: p, Origin: control.FromAsterisk, Reason: "the manager interface that the daemon listens to"})
	}
	for _, e := range a.file.Entries() {
		list = append(list, control.Allowed{Prefix: e.Prefix, Origin: control.FromFile, Reason: e.Comment})
	}
	return list
}

// prefixes is the list as the firewall takes it.
func (a *allowance) prefixes() []netip.Prefix {
	list := a.list()
	prefixes := make([]netip.Prefix, len(list))
	for i, e := range list {
		prefixes[i] = e.Prefix
	}
	return prefixes
}

// change adds a prefix to the file or takes it out, and calls apply with the
// list as it is then, before the file is written: what a person allows under
// stress must not wait for a disk.
func (a *allowance) change(o control.AllowOrder, uid uint32, now time.Time, apply func([]netip.Prefix) error) error {
	a.mu.Lock()
	before := a.file
	switch {
	case before.Path() == "":
		a.mu.Unlock()
		return control.Refusal("the allow file could not be read when the daemon started (see its log): mend that and restart it, or use firewall.allow")
	case o.Remove && !before.Has(o.Prefix):
		a.mu.Unlock()
		return a.notRemovable(o.Prefix)
	case o.Remove:
		a.file = before.Without(o.Prefix)
	case before.Has(o.Prefix):
		a.mu.Unlock()
		return control.Refusal(fmt.Sprintf("%s is in %s already", responder.PrefixString(o.Prefix), before.Path()))
	default:
		a.file = before.With(o.Prefix, fmt.Sprintf("%s, uid %d: %s", now.Format(time.DateOnly), uid, o.Comment))
	}
	after := a.file
	a.mu.Unlock()
	if err := apply(a.prefixes()); err != nil {
		a.mu.Lock()
		a.file = before
		a.mu.Unlock()
		return err
	}
	if err := after.Write(); err != nil {
		return fmt.Errorf("in force, but only until the daemon's next start: %w: write it into firewall.allow", err)
	}
	return nil
}

// notRemovable says why a prefix cannot be taken out of the file.
func (a *allowance) notRemovable(prefix netip.Prefix) error {
	list := a.list()
	i := slices.IndexFunc(list, func(e control.Allowed) bool {
		return e.Prefix.Bits() <= prefix.Bits() && e.Prefix.Contains(prefix.Addr())
	})
	if i < 0 {
		return control.Refusal(responder.PrefixString(prefix) + " is not on the allow list")
	}
	switch e := list[i]; e.Origin {
	case control.FromFile:
		return control.Refusal(fmt.Sprintf("%s is allowed by %s: remove that one", responder.PrefixString(prefix), responder.PrefixString(e.Prefix)))
	case control.FromConfig:
		return control.Refusal(fmt.Sprintf("%s is allowed by %s in the configuration's firewall.allow: change it there", responder.PrefixString(prefix), responder.PrefixString(e.Prefix)))
	default:
		return control.Refusal(responder.PrefixString(prefix) + " is " + e.Reason + ": without it nothing would be seen")
	}
}

// managerHost is the address of Asterisk's manager interface, where the
// configuration has one: dropping it would make us deaf.
func managerHost(cfg *config.Config) (netip.Prefix, bool) {
	ap, err := netip.ParseAddrPort(cfg.Asterisk.Address)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr := ap.Addr().Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// isProblem tells a mistake in a file from a disk that does not answer.
func isProblem(err error) bool {
	_, ok := errors.AsType[config.Problem](err)
	return ok
}
