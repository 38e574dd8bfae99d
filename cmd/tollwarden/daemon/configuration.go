package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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
	// apply puts in force what a reload changes outside the engine.
	apply func(*config.Config, *notifyConfig)
	log   zerolog.Logger

	changing sync.Mutex // held while the configuration or the allow list changes
	allow    *allowList
	current  atomic.Pointer[config.Config]
}

func newConfiguration(cfg *config.Config, file *settings.File, allow *allowList, log zerolog.Logger) *configuration {
	c := &configuration{started: cfg, file: file, allow: allow, log: log}
	c.current.Store(cfg)
	return c
}

// handleSIGHUP reloads on SIGHUP until ctx ends.
func (c *configuration) handleSIGHUP(ctx context.Context) error {
	if c.file == nil {
		return nil
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			_, _ = c.reload() // the log and status have the result
		case <-ctx.Done():
			return nil
		}
	}
}

// reload puts the whole configuration file in force, or nothing of it. It returns
// what to answer.
func (c *configuration) reload() (string, error) {
	if c.file == nil {
		return "", errors.New("the daemon runs without a configuration file")
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.readAgain(); err != nil {
		c.file.Refused(err)
		c.log.Error().Err(err).Msg("the new configuration was refused, and the old one stays in force")
		return "", fmt.Errorf("refused, the old configuration stays in force: %w", err)
	}
	c.log.Info().Str("file", c.file.Path()).Msg("the configuration is in force")
	return c.file.Path() + " is in force", nil
}

func (c *configuration) readAgain() error {
	cfg, sum, err := c.file.Read()
	if err != nil {
		return err
	}
	if keys := settings.NeedRestart(c.started, cfg); len(keys) > 0 {
		return fmt.Errorf("%s: only a restart can change %s", c.file.Path(), strings.Join(keys, ", "))
	}
	policy, err := settings.Policy(cfg)
	if err != nil {
		return err
	}
	allowed, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return err
	}
	messages, err := parseNotifyConfig(&cfg.Notify)
	if err != nil {
		return err
	}
	// The kernel first: only it can fail for reasons that are not in the files.
	undo := c.allow.replace(cfg, allowed, nil)
	if err := c.enforce(undo); err != nil {
		return err
	}
	if err := c.engine.Configure(policy); err != nil {
		undo()
		_, back := c.engine.Allow(c.allow.prefixes())
		return errors.Join(err, back)
	}
	c.apply(cfg, messages)
	c.current.Store(cfg)
	c.file.Applied(cfg, sum)
	settings.LogWarnings(c.log, cfg)
	return nil
}

// enforce puts the allow list in force. If that fails, it may be half done: undo
// is called and the old list is put in force again.
func (c *configuration) enforce(undo func()) error {
	_, err := c.enforceAndRelease(undo)
	return err
}

// enforceAndRelease is enforce; released are the bans that the list covers.
func (c *configuration) enforceAndRelease(undo func()) (released []incident.Ban, err error) {
	if released, err = c.engine.Allow(c.allow.prefixes()); err == nil {
		return released, nil
	}
	undo()
	_, back := c.engine.Allow(c.allow.prefixes())
	return nil, errors.Join(err, back)
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
	c.engine.Acted(now, uid, what, incident.PrefixText(o.Prefix), o.Comment)
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
	case c.started.Mode == config.Observe:
		check.OK, check.Detail = true, "mode observe changes nothing; in mode enforce: "+err.Error()
	default:
		check.Detail = err.Error()
	}
	return check
}
