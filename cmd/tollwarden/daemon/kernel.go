package daemon

import (
	"context"
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

// tableFor is the kernel's table, except in mode observe, which touches nothing in
// the kernel.
func tableFor(m config.Mode) OpenTable {
	if m == config.Observe {
		return InMemory
	}
	return InKernel
}

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
	mode  config.Mode
	guard *firewall.Guard // nil if the table is in memory
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
		return control.Check{Name: "kernel", OK: true, Detail: "not used: mode " + string(k.mode) + ", with bans in memory only"}
	}
	return checkGuard(now, k.guard.State())
}

// checkRoom fails while bans are not in force for lack of room. A restart would not
// help, so it is no part of the check "kernel", which feeds the watchdog.
func checkRoom(_ time.Time, senses responder.Senses) control.Check {
	if senses.TableFull {
		return control.Check{Name: "room", Detail: "the kernel's table is full: the bans that end last are in force, new ones are refused until others end or `tollwarden unban ADDR` makes room"}
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
		c.OK, c.Detail = true, "the table is intact, and packets from a banned address were dropped "+ago(now, s.Checked)
	}
	if s.Repairs > 0 {
		c.Detail += fmt.Sprintf("; repaired %s, last %s: %s", incident.Count(int(s.Repairs), "time"), ago(now, s.Last.At), s.Last)
	}
	if len(s.EarlierChains) > 0 {
		c.Detail += "; other programs see packets first: " + strings.Join(s.EarlierChains, ", ")
	}
	return c
}
