package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// OpenTable opens the table that bans go to. The daemon closes it.
type OpenTable func(firewall.Config, zerolog.Logger) (firewall.Table, error)

// tableFor is the kernel's table. In mode observe it has the bans that a person orders, and
// those from before; a daemon that may not change the kernel can observe all the same.
func tableFor(m config.Mode) OpenTable {
	if m != config.Observe {
		return InKernel
	}
	return func(c firewall.Config, log zerolog.Logger) (firewall.Table, error) {
		table, err := InKernel(c, log)
		if !errors.Is(err, firewall.ErrPrivilege) {
			return table, err
		}
		log.Warn().Err(err).Msg("the kernel's firewall cannot be used: mode observe goes on without it, and nobody can be banned")
		return withoutKernel{firewall.NewMemory(c), err}, nil
	}
}

// withoutKernel is the table of a daemon that may not change the kernel. It has no bans but
// those that the ledger knows of.
type withoutKernel struct {
	*firewall.Memory
	why error
}

// Ban refuses.
func (w withoutKernel) Ban(time.Time, ...firewall.Ban) error { return w.why }

// InMemory makes a table that drops nothing.
func InMemory(c firewall.Config, _ zerolog.Logger) (firewall.Table, error) {
	return firewall.NewMemory(c), nil
}

// InKernel opens the kernel's table with the bans that are in it.
func InKernel(c firewall.Config, log zerolog.Logger) (firewall.Table, error) {
	k, err := firewall.Open(c)
	if err != nil {
		return nil, err
	}
	opened := k.Opened()
	log.Info().Stringer("table", opened.Origin).Int("bans", opened.Bans).Strs("findings", opened.Findings).Msg("opened the kernel's table")
	return k, nil
}

// kernel is the firewall's table and, if it is in the kernel, its guard.
type kernel struct {
	table firewall.Table
	guard *firewall.Guard // nil if the table is in memory
}

// canEnforce says why mode enforce is not possible with the table; nil if it is.
func (k *kernel) canEnforce() error {
	if table, is := k.table.(withoutKernel); is {
		return table.why
	}
	return nil
}

// guardWith makes the guard, if the table is in the kernel.
func (k *kernel) guardWith(c firewall.GuardConfig) {
	if table, ok := k.table.(*firewall.Kernel); ok {
		c.Table = table
		k.guard = firewall.NewGuard(c)
	}
}

// run guards the table until ctx ends.
func (k *kernel) run(ctx context.Context) error {
	if k.guard == nil {
		return nil
	}
	return k.guard.Run(ctx)
}

// setInterval changes how often the guard checks the table.
func (k *kernel) setInterval(every time.Duration) {
	if k.guard != nil {
		k.guard.SetInterval(every)
	}
}

// state is what the guard knows; zero without one.
func (k *kernel) state() firewall.GuardState {
	if k.guard == nil {
		return firewall.GuardState{}
	}
	return k.guard.State()
}

func (k *kernel) check(now time.Time) control.Check {
	if k.guard == nil {
		if err := k.canEnforce(); err != nil {
			return control.Check{Name: "kernel", OK: true, Detail: "not used, so nobody can be banned, and mode enforce is not possible: " + err.Error()}
		}
		return control.Check{Name: "kernel", OK: true, Detail: "not used: bans are in memory only"}
	}
	return checkGuard(now, k.guard.State())
}

// checkRoom fails while bans are not in force for lack of room. A restart would not
// help, so it is no part of the check "kernel", which feeds the watchdog.
func checkRoom(_ time.Time, senses responder.Senses) control.Check {
	if senses.TableFull {
		return control.Check{Name: "room", Detail: "the kernel's table is full: the bans that end last are in force, new ones are refused until others end or `tollwarden unban ADDRESS` makes room"}
	}
	return control.Check{Name: "room", OK: true, Detail: "the kernel's table has room for all bans"}
}

func checkGuard(now time.Time, s firewall.GuardState) control.Check {
	c := control.Check{Name: "kernel"}
	switch {
	case s.Trouble != nil:
		c.Detail = s.Trouble.Error()
	case s.Checked.IsZero():
		c.Detail = "not checked yet"
	case now.Sub(s.Checked) > 2*s.Interval+alarmAfter:
		c.Detail = "last checked " + ago(now, s.Checked)
	default:
		c.OK, c.Detail = true, "the table is intact, and a trial packet of a blocked address was dropped "+ago(now, s.Checked)
	}
	if s.Repairs > 0 {
		c.Detail += fmt.Sprintf("; repaired %s, last %s: %s", incident.Count(int(s.Repairs), "time"), ago(now, s.Last.At), s.Last)
	}
	if len(s.EarlierChains) > 0 {
		c.Detail += "; other programs see packets first: " + strings.Join(s.EarlierChains, ", ")
	}
	return c
}
