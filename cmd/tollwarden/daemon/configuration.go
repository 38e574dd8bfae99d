package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// configuration is what is in force, and the only place where it changes.
type configuration struct {
	started *config.Config // what it keeps until a restart
	file    *settings.File // nil: it was not read from a file
	engine  *responder.Engine
	ports   *ports
	kernel  *kernel
	// apply puts in force what a reload changes outside the engine.
	apply func(*config.Config, *notifyConfig)
	log   zerolog.Logger

	changing sync.Mutex // held while the configuration or the allow list changes
	allow    *allowList
	names    *allowNames
	enforced []netip.Prefix // the allow list as the kernel last took it
	current  atomic.Pointer[config.Config]
}

func newConfiguration(cfg *config.Config, file *settings.File, allow *allowList, log zerolog.Logger) *configuration {
	c := &configuration{started: cfg, file: file, allow: allow, log: log}
	c.current.Store(cfg)
	return c
}

// mode is the mode in force.
func (c *configuration) mode() config.Mode { return c.current.Load().Mode }

// enforce puts the allow list in force. If that fails, it may be half done: undo
// is called and the old list is put in force again.
func (c *configuration) enforce(undo func()) error {
	_, err := c.enforceAndRelease(undo)
	return err
}

// enforceAndRelease is enforce; released are the bans that the list covers.
func (c *configuration) enforceAndRelease(undo func()) (released []incident.Ban, err error) {
	now := time.Now()
	list := c.allow.prefixes(now)
	if released, err = c.engine.Allow(list); err == nil {
		c.enforced = list
		c.engine.SetNamed(now, c.names.places(c.allow.names(now)))
		return released, nil
	}
	undo()
	return nil, errors.Join(err, c.enforceAgain())
}

// enforceAgain puts the allow list in force that was before a change.
func (c *configuration) enforceAgain() error {
	list := c.allow.prefixes(time.Now())
	_, err := c.engine.Allow(list)
	if err == nil {
		c.enforced = list
	}
	return err
}

// changeAllowList carries out an order for the user uid: in the kernel at once,
// then in the allow file, so that no disk delays what a person allows under
// stress. released are the bans that the change ended. errUnwritten: the change
// is in force anyway.
func (c *configuration) changeAllowList(now time.Time, uid uint32, o control.AllowOrder) (released []incident.Ban, err error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	change, err := c.allow.plan(now, uid, o)
	if err != nil {
		return nil, err
	}
	if released, err = c.enforceAndRelease(c.allow.replace(c.current.Load(), change.file, change.unread)); err != nil {
		return nil, err
	}
	what := "allow"
	if o.Remove {
		what = "disallow"
	}
	c.engine.Acted(now, uid, what, orderItem(o).String(), o.Comment)
	return released, change.write()
}

// managerAt puts the manager interface's address on the allow list, if the
// configuration has only its name.
func (c *configuration) managerAt(addr netip.Addr) {
	c.changing.Lock()
	defer c.changing.Unlock()
	undo, changed := c.allow.setManager(addr)
	if !changed {
		return
	}
	if err := c.enforce(undo); err != nil {
		c.log.Error().Err(err).Stringer("address", addr).Msg("the manager interface's address is not on the allow list")
	}
}

// checkFiles checks that the allow file was read, and that the steps that change
// files could do so now: after a break-in it is too late to learn that they cannot.
func (c *configuration) checkFiles(time.Time) control.Check {
	check := control.Check{Name: "files"}
	if err := c.allow.missing(); err != nil {
		check.Detail = fmt.Sprintf("the addresses in the allow file can be banned: %v: fix that, then run `tollwarden reload`", err)
		return check
	}
	err := settings.StepsCanWrite(c.current.Load(), os.Geteuid())
	switch {
	case err == nil:
		check.OK, check.Detail = true, "the steps can write what they change"
	case c.current.Load().Mode == config.Observe:
		check.OK, check.Detail = true, "mode observe changes nothing by itself; in mode enforce: "+err.Error()
	default:
		check.Detail = err.Error()
	}
	return check
}
