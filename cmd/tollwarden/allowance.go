package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// allowance is what is never banned: the configuration's list, Asterisk's
// manager interface, and the allow file, which people change while the daemon
// runs.
type allowance struct {
	mu     sync.Mutex
	cfg    *config.Config
	file   *config.AllowFile
	loaded time.Time // when the file was last read or written; zero: never
	unread error     // why it never was
	// manager is where a name of Asterisk's manager interface has led to.
	manager netip.Addr
}

// openAllowance reads the allow file in the data folder. Its mistakes are told
// like those of the configuration; a disk that does not answer keeps no daemon
// from protecting.
func openAllowance(cfg *config.Config, log zerolog.Logger) (*allowance, error) {
	file, err := config.LoadAllowFile(allowPath(cfg))
	if err != nil && !isProblem(err) {
		log.Error().Err(err).Msg("going on without the allow file")
		return &allowance{cfg: cfg, file: &config.AllowFile{}, unread: err}, nil
	}
	return &allowance{cfg: cfg, file: file, loaded: time.Now()}, err
}

func allowPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "allow") }

// put takes the lists of another configuration and of another file, which was
// read unless that is an error, and returns what takes that back.
func (a *allowance) put(cfg *config.Config, file *config.AllowFile, unread error) (back func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, fileBefore, loaded, unreadBefore := a.cfg, a.file, a.loaded, a.unread
	a.cfg, a.file = cfg, file
	if unread == nil {
		a.loaded, a.unread = time.Now(), nil
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cfg, a.file, a.loaded, a.unread = before, fileBefore, loaded, unreadBefore
	}
}

// missing is why nothing of the allow file is in force; nil when that is.
func (a *allowance) missing() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unread
}

// state compares the allow file with what of it is in force.
func (a *allowance) state() control.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := control.File{File: allowPath(a.cfg), Loaded: a.loaded}
	file, err := config.LoadAllowFile(s.File)
	if err != nil {
		s.Changed, s.Refused = true, err.Error()
		return s
	}
	s.Changed = !slices.Equal(file.Entries(), a.file.Entries())
	return s
}

// list is everything on it, by origin.
func (a *allowance) list() []control.Allowed {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []control.Allowed
	for _, p := range a.cfg.Firewall.Allow {
		list = append(list, control.Allowed{Prefix: p, Origin: control.FromConfig, Reason: "firewall.allow"})
	}
	if p, ok := a.managerHost(); ok {
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
// stress must not wait for a disk. What somebody else has written into the file
// meanwhile comes into force with it; where that cannot be read, the file stays
// as it is.
func (a *allowance) change(o control.AllowOrder, uid uint32, now time.Time, apply func([]netip.Prefix) error) error {
	file, unread := config.LoadAllowFile(allowPath(a.cfg))
	if unread != nil {
		file = a.file
	}
	after := file.Without(o.Prefix)
	switch {
	case o.Remove && !file.Has(o.Prefix) && !a.file.Has(o.Prefix):
		return a.notRemovable(o.Prefix)
	case o.Remove:
	case file.Has(o.Prefix) && a.file.Has(o.Prefix):
		return control.Refusal(fmt.Sprintf("%s is in %s already", incident.PrefixText(o.Prefix), file.Path()))
	case !file.Has(o.Prefix):
		after = file.With(o.Prefix, fmt.Sprintf("%s, uid %d: %s", now.Format(time.DateOnly), uid, o.Comment))
	default:
		after = file
	}
	if err := a.enforce(apply, a.put(a.cfg, after, unread)); err != nil {
		return err
	}
	err := unread
	if err == nil {
		err = after.Write()
	}
	if err != nil {
		return fmt.Errorf("%w: %w: mend that, or write it into firewall.allow", errUnwritten, err)
	}
	return nil
}

// errUnwritten is of a change that no disk has taken.
var errUnwritten = errors.New("in force, but only until the daemon's next start")

// enforce has the list applied. Where that fails it may be half done: back is
// called, and the list of before applied again.
func (a *allowance) enforce(apply func([]netip.Prefix) error, back func()) error {
	err := apply(a.prefixes())
	if err == nil {
		return nil
	}
	back()
	return errors.Join(err, apply(a.prefixes()))
}

// notRemovable says why a prefix cannot be taken out of the file.
func (a *allowance) notRemovable(prefix netip.Prefix) error {
	list := a.list()
	i := slices.IndexFunc(list, func(e control.Allowed) bool {
		return e.Prefix.Bits() <= prefix.Bits() && e.Prefix.Contains(prefix.Addr())
	})
	if i < 0 {
		return control.Refusal(incident.PrefixText(prefix) + " is not on the allow list")
	}
	switch e := list[i]; e.Origin {
	case control.FromFile:
		return control.Refusal(fmt.Sprintf("%s is allowed by %s: remove that one", incident.PrefixText(prefix), incident.PrefixText(e.Prefix)))
	case control.FromConfig:
		return control.Refusal(fmt.Sprintf("%s is allowed by %s in the configuration's firewall.allow: change it there", incident.PrefixText(prefix), incident.PrefixText(e.Prefix)))
	default:
		return control.Refusal(incident.PrefixText(prefix) + " is " + e.Reason + ": without it nothing would be seen")
	}
}

// reached tells which address a connection to Asterisk's manager interface has
// led to. It says whether that is news, and returns what takes it back.
func (a *allowance) reached(manager netip.Addr) (back func(), news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, literal := managerHost(a.cfg); literal || manager == a.manager {
		return nil, false
	}
	before := a.manager
	a.manager = manager
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.manager = before
	}, true
}

// managerHost is the address of Asterisk's manager interface: that of the
// configuration, or the one that its name has led to. The caller holds the lock.
func (a *allowance) managerHost() (netip.Prefix, bool) {
	if p, ok := managerHost(a.cfg); ok || !a.manager.IsValid() {
		return p, ok
	}
	return netip.PrefixFrom(a.manager, a.manager.BitLen()), true
}

// managerHosts are the addresses of Asterisk's manager interface. A name that
// resolveWithin bounds the lookup of one name.
const resolveWithin = 3 * time.Second

// has led nowhere yet is asked for.
func (a *allowance) managerHosts(ctx context.Context) []netip.Prefix {
	a.mu.Lock()
	p, ok := a.managerHost()
	host, _, _ := net.SplitHostPort(a.cfg.Asterisk.Address) // the configuration's own check
	a.mu.Unlock()
	if ok {
		return []netip.Prefix{p}
	}
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // unknown: nothing to be cut off
	hosts := make([]netip.Prefix, len(addrs))
	for i, addr := range addrs {
		hosts[i] = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
	}
	return hosts
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
