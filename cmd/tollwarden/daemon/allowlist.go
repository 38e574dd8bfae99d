package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// allowList is what is never banned: the configuration's list, Asterisk's manager
// interface, and the allow file, which people change while the daemon runs.
type allowList struct {
	mu     sync.Mutex
	cfg    *config.Config
	file   *config.AllowFile
	loaded time.Time  // when the file was last read or written; zero: never
	unread error      // why it never was
	host   netip.Addr // where the name of the manager interface has led to
}

// openAllowList reads the allow file in the data folder. A mistake in it is an
// error like one in the configuration; a disk that does not answer prevents no
// start.
func openAllowList(cfg *config.Config, log zerolog.Logger) (*allowList, error) {
	file, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err == nil {
		return &allowList{cfg: cfg, file: file, loaded: time.Now()}, nil
	}
	if _, mistake := errors.AsType[config.Problem](err); mistake {
		return nil, err
	}
	log.Error().Err(err).Msg("starting without the allow file")
	return &allowList{cfg: cfg, file: &config.AllowFile{}, unread: err}, nil
}

// replace takes the lists of another configuration and another file, which was
// read unless unread is an error. undo takes that back.
func (a *allowList) replace(cfg *config.Config, file *config.AllowFile, unread error) (undo func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	oldConfig, oldFile, oldLoaded, oldUnread := a.cfg, a.file, a.loaded, a.unread
	a.cfg, a.file = cfg, file
	if unread == nil {
		a.loaded, a.unread = time.Now(), nil
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cfg, a.file, a.loaded, a.unread = oldConfig, oldFile, oldLoaded, oldUnread
	}
}

// setManager notes the address of a connection to the manager interface. changed
// says whether that is news; undo takes it back.
func (a *allowList) setManager(addr netip.Addr) (undo func(), changed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, literal := settings.ManagerHost(a.cfg); literal || addr == a.host {
		return nil, false
	}
	old := a.host
	a.host = addr
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.host = old
	}, true
}

// missing is why nothing of the allow file is in force; nil if it is.
func (a *allowList) missing() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unread
}

// state compares the allow file with what of it is in force.
func (a *allowList) state() control.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := control.File{File: settings.AllowPath(a.cfg), Loaded: a.loaded}
	file, err := config.LoadAllowFile(s.File)
	if err != nil {
		s.Changed, s.Refused = true, err.Error()
		return s
	}
	s.Changed = !slices.Equal(file.Entries(), a.file.Entries())
	return s
}

// list is everything on it, by origin.
func (a *allowList) list(now time.Time) []control.Allowed {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []control.Allowed
	for _, item := range a.cfg.Firewall.Allow {
		list = append(list, allowed(item, now, control.Allowed{Origin: control.FromConfig, Reason: "firewall.allow"}))
	}
	if p, ok := a.manager(); ok {
		list = append(list, control.Allowed{Prefix: p, Origin: control.FromAsterisk, Reason: managerReason})
	}
	for _, e := range a.file.Entries() {
		list = append(list, allowed(e.AllowItem, now, control.Allowed{Origin: control.FromFile, Reason: e.Comment, By: e.Author}))
	}
	return list
}

// allowed completes an entry of the list.
func allowed(item config.AllowItem, now time.Time, a control.Allowed) control.Allowed {
	a.Prefix, a.Name, a.Force, a.Until = item.Prefix, item.Name, item.Force, incident.SomeTime(item.Until)
	a.Refused = item.Refused()
	a.Ended = a.Refused == "" && !item.InForce(now)
	return a
}

const (
	managerReason = "the manager interface that the daemon listens to"
	blindWithout  = "without it, no attack would be seen"
)

// prefixes is the list as the firewall takes it.
func (a *allowList) prefixes(now time.Time) (list []netip.Prefix) {
	for _, e := range a.list(now) {
		if e.Prefix.IsValid() && e.InForce() {
			list = append(list, e.Prefix)
		}
	}
	return list
}

// names are the host names on the list.
func (a *allowList) names(now time.Time) (list []string) {
	for _, e := range a.list(now) {
		if e.Name != "" && e.InForce() {
			list = append(list, e.Name)
		}
	}
	return list
}

// manager is the address of Asterisk's manager interface: the configuration's, or
// the one that its name has led to. The caller holds the lock.
func (a *allowList) manager() (netip.Prefix, bool) {
	if p, ok := settings.ManagerHost(a.cfg); ok || !a.host.IsValid() {
		return p, ok
	}
	return netip.PrefixFrom(a.host, a.host.BitLen()), true
}

// resolveWithin bounds the lookup of one name.
const resolveWithin = 3 * time.Second

func lookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// managers are the addresses of Asterisk's manager interface. A name that has led
// nowhere yet is looked up.
func (a *allowList) managers(ctx context.Context) []netip.Prefix {
	a.mu.Lock()
	p, ok := a.manager()
	host, _, _ := net.SplitHostPort(a.cfg.Asterisk.Address) // the configuration was checked
	a.mu.Unlock()
	if ok {
		return []netip.Prefix{p}
	}
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	addrs, _ := lookupHost(ctx, host) // an unknown name has nothing to be cut off
	hosts := make([]netip.Prefix, len(addrs))
	for i, addr := range addrs {
		hosts[i] = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
	}
	return hosts
}

// allowChange is a change of the allow file that is not in force yet.
type allowChange struct {
	file   *config.AllowFile
	unread error // why the file could not be read; then it stays as it is
}

// plan adds an entry to the allow file or removes it. What another program has written
// into the file meanwhile comes into force with it.
func (a *allowList) plan(now time.Time, uid uint32, o control.AllowOrder) (allowChange, error) {
	item := orderItem(o)
	if why := item.Refused(); why != "" && !o.Remove {
		return allowChange{}, control.Refusal(why + ": add smaller networks, or --force")
	}
	a.mu.Lock()
	cfg, current := a.cfg, a.file
	a.mu.Unlock()
	file, unread := config.LoadAllowFile(settings.AllowPath(cfg))
	if unread != nil {
		file = current
	}
	has := file.Find(item)
	switch {
	case o.Remove && has == nil && current.Find(item) == nil:
		return allowChange{}, a.notRemovable(now, item)
	case o.Remove:
		file = file.Without(item)
	case has != nil && has.String() == item.String() && current.Find(item) != nil && has.InForce(now):
		return allowChange{}, control.Refusal(fmt.Sprintf("%s is already in %s", item.What(), file.Path()))
	case has == nil || has.String() != item.String():
		file = file.With(item, now, author(uid, o.By), o.Comment)
	}
	return allowChange{file, unread}, nil
}

func orderItem(o control.AllowOrder) config.AllowItem {
	return config.AllowItem{Prefix: o.Prefix, Name: o.Name, Force: o.Force, Until: o.Until.UTC()}
}

// author names who gave an order. A person who became root with sudo says who they are.
func author(uid uint32, by string) string {
	name := "uid " + strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		name = u.Username
	}
	if by != "" && by != name {
		name = by + " as " + name
	}
	return name
}

// errUnwritten reports a change that is in force and could not be written.
var errUnwritten = errors.New("in force, but only until the daemon's next start")

func (c allowChange) write() error {
	err := c.unread
	if err == nil {
		err = c.file.Write()
	}
	if err != nil {
		return fmt.Errorf("%w: %w: fix that, or add it to firewall.allow", errUnwritten, err)
	}
	return nil
}

// notRemovable says why an entry cannot be removed from the allow file.
func (a *allowList) notRemovable(now time.Time, item config.AllowItem) error {
	list := a.list(now)
	i := slices.IndexFunc(list, func(e control.Allowed) bool {
		if item.Name != "" {
			return e.Name == item.Name
		}
		return e.Prefix.Bits() <= item.Prefix.Bits() && e.Prefix.Contains(item.Prefix.Addr())
	})
	if i < 0 {
		return control.Refusal(item.What() + " is not on the allow list")
	}
	switch e := list[i]; e.Origin {
	case control.FromFile:
		return control.Refusal(fmt.Sprintf("%s is allowed by %s: remove that instead", item.What(), e.What()))
	case control.FromConfig:
		return control.Refusal(fmt.Sprintf("%s is allowed by %s in the configuration's firewall.allow: change it there", item.What(), e.What()))
	default:
		return control.Refusal(item.What() + " is " + e.Reason + ": " + blindWithout)
	}
}
