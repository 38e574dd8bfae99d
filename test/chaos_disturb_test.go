package test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// daemonKilled is the disturbance after which the daemon is another process.
const daemonKilled = "daemon killed"

// handsOnRuleset are the disturbances that the daemon must report as damage.
var handsOnRuleset = []string{"ruleset flushed", "table deleted", "set flushed", "rules flushed", "rule inserted", "watch deleted"}

// disturbances by name. Each returns when it has happened.
func (c *chaos) disturbances() map[string]func() {
	nft := func(command string) func() {
		return func() {
			out, err := c.l.PBX.Command(context.Background(), "nft", command).CombinedOutput()
			if err != nil {
				c.t.Errorf("nft %s: %v: %s", command, err, out)
			}
		}
	}
	check := func(err error) {
		if err != nil {
			c.t.Error(err)
		}
	}
	return map[string]func(){
		daemonKilled: func() {
			c.excuse(time.Now().Add(time.Hour))
			c.w.stop(syscall.SIGKILL)
			c.w.start()
			c.excuse(time.Now())
		},
		"Asterisk restarted": func() { check(c.l.Restart(c.t.Context())) },
		"Asterisk frozen": func() {
			check(c.l.Freeze())
			time.Sleep(10 * time.Second) // longer than the keep-alive's patience
			check(c.l.Thaw())
		},
		"AMI cut": func() {
			out, err := c.l.PBX.Command(context.Background(), "ss", "-K", "dport", "=", c.relay.port()).CombinedOutput()
			if err != nil {
				c.t.Errorf("ss -K: %v: %s", err, out)
			}
		},
		"AMI torn":        c.tear,
		"ruleset flushed": nft("flush ruleset"),
		"table deleted":   nft("delete table inet tollwarden"),
		"set flushed":     nft("flush set inet tollwarden asterisk4"),
		"rules flushed":   nft("flush chain inet tollwarden incoming"),
		"rule inserted":   nft("insert rule inet tollwarden incoming accept"),
		"watch deleted":   nft("delete table inet tollwarden_watch"),
		"flood":           c.flood,
		"disk full":       c.fillDisk,
		"reload": func() {
			c.w.configure(c.settings(2 + c.rng.IntN(3)))
			if out, err := c.w.tollwarden("reload", "--socket", c.w.socket()); err != nil {
				c.t.Errorf("reload: %v: %s", err, out)
			}
		},
		"wrong reload": func() {
			c.w.configure(c.settings(0))
			if out, err := c.w.tollwarden("reload", "--socket", c.w.socket()); err == nil {
				c.t.Errorf("a wrong configuration was taken: %s", out)
			}
			c.w.configure(c.settings(3))
		},
	}
}

// tear cuts the event session within an event, and sees that the daemon knows
// that the event was not whole.
func (c *chaos) tear() {
	part, err := c.relay.tear()
	if err != nil {
		c.t.Error(err)
		return
	}
	c.t.Logf("torn after %q", part)
	c.w.wait("the report of a torn event", 10*time.Second, func() bool { return c.told(tornEvent) > c.done["AMI torn"] })
}

// What the daemon says of each disturbance.
const (
	damaged     = "the kernel's table was damaged: restored"
	tornEvent   = "connection closed by Asterisk: unexpected EOF"
	gapTold     = "blind_from"
	refusedFile = "the new configuration was refused"
	newFile     = "the configuration is in force"
)

// told is how often the log of all the daemon's lives says something.
func (c *chaos) told(what string) int { return strings.Count(c.w.log.String(), what) }

func (c *chaos) reported() int { return c.told(damaged) }

func (c *chaos) damages() int { return c.times(handsOnRuleset...) }

// times is how often these disturbances were.
func (c *chaos) times(names ...string) (n int) {
	for _, name := range names {
		n += c.done[name]
	}
	return n
}

// flood makes as many events as the PBX can, from one /64.
func (c *chaos) flood() {
	h, err := c.l.Host(fmt.Sprintf("flood%d", c.done["flood"]), fmt.Sprintf("2001:db8:f:%x::/64", c.done["flood"]))
	if err != nil {
		c.t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	if _, err := (lab.Guesser{Host: h, Account: "1002", Rate: 2000, Ask: true, Rove: true}).Run(ctx); err != nil {
		c.t.Error(err)
	}
	c.w.wait("the flood's source to be dropped", quietBound, func() bool { return c.w.dropped(h.Range().String()) })
}

// fillDisk leaves the ledger no room for a while, in which bans must go on.
func (c *chaos) fillDisk() {
	path := filepath.Join(c.w.dir, "data", "ballast")
	f, err := os.Create(path)
	if err != nil {
		c.t.Error(err)
		return
	}
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	_ = f.Close()
	order := control.BanOrder{Prefix: netip.MustParsePrefix("192.0.2.200/32"), For: "1h", Reason: strings.Repeat("the disk is full ", 100)}
	c.w.wait("the report of the full disk", 15*time.Second, func() bool {
		// What the ledger has of the disk already takes some writing to fill.
		if _, err := c.w.client().Ban(c.t.Context(), order); err != nil || !c.w.dropped(order.Prefix.String()) {
			c.t.Errorf("no ban with a full disk: %v", err)
		}
		if _, err := c.w.client().Unban(c.t.Context(), control.UnbanOrder{Prefix: order.Prefix}); err != nil {
			c.t.Errorf("no release with a full disk: %v", err)
		}
		s, err := c.w.client().Status(c.t.Context())
		return err == nil && s.Health == control.Degraded && c.w.metric(`tollwarden_check_ok{check="ledger"}`) == 0
	})
	time.Sleep(2 * time.Second)
	if err := os.Remove(path); err != nil {
		c.t.Error(err)
	}
}
