package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
)

// mass is what happens when there are very many bans: all at once into the
// kernel, back into it after somebody flushed the ruleset, and at a start.
func (b *bench) mass() error {
	sizes := []int{100_000, 1_000_000}
	if b.quick {
		sizes = sizes[:1]
	}
	goals := map[int]string{100_000: "< 1 s", 1_000_000: "< 10 s"}
	b.table.heading("many bans at once")
	for _, n := range sizes {
		s, err := b.banMany(n)
		b.table.add(count(float64(n))+" bans into the kernel", duration, s, goals[n])
		if err != nil {
			return err
		}
	}
	flushed, err := b.flushed(100_000)
	b.table.add("100,000 bans back after `nft flush ruleset`", duration, flushed, "< 1 s")
	if err != nil {
		return err
	}
	for _, n := range sizes {
		guarded, whole, memory, err := b.startWith(n)
		name := count(float64(n)) + " bans in the ledger, none in the kernel: "
		b.table.add(name+"start → a new guesser is dropped", duration, guarded, goals[n])
		b.table.add(name+"start → all in the kernel", duration, whole, goals[n])
		b.table.add(name+"resident memory then", megabytes, memory, "")
		if err != nil {
			return err
		}
	}
	return nil
}

// banMany puts n bans into a fresh kernel table.
func (b *bench) banMany(n int) (s sample, err error) {
	for range b.few(5, 2) {
		post, err := newSite()
		if err != nil {
			return s, err
		}
		now := time.Now()
		bans := make([]firewall.Ban, n)
		for i := range bans {
			bans[i] = firewall.Ban{Prefix: netip.PrefixFrom(oldBan(i), 32), Until: now.Add(time.Hour)}
		}
		k, err := firewall.Open(firewall.Config{NetNS: post.fd})
		if err != nil {
			return s, err
		}
		start := time.Now()
		err = k.Ban(now, bans...)
		s.since(start)
		_ = k.Close()
		post.close()
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// flushed takes the daemon's table away and waits for it to come back whole.
func (b *bench) flushed(n int) (s sample, err error) {
	g, err := b.postWith(n)
	if err != nil {
		return nil, err
	}
	defer g.close()
	d, err := b.atSite(g.site, g.board, g.dir, rules)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	time.Sleep(time.Second)
	for range b.few(5, 2) {
		g.drops.reset()
		start := time.Now()
		if err := g.site.run("nft", "flush", "ruleset"); err != nil {
			return s, err
		}
		last, err := g.drops.awaitMany(b.ctx, n, 30*time.Second)
		if err != nil {
			return s, err
		}
		s.took(last.Sub(start))
		time.Sleep(time.Second)
	}
	return s, nil
}

// startWith starts the daemon with n bans in its ledger and a kernel that has
// forgotten them, as after a reboot, while an attack goes on.
func (b *bench) startWith(n int) (guarded, whole, memory sample, err error) {
	g, err := b.postWith(n)
	if err != nil {
		return nil, nil, nil, err
	}
	defer g.close()
	for i := range b.few(3, 1) {
		if err := g.site.run("nft", "flush", "ruleset"); err != nil {
			return guarded, whole, memory, err
		}
		g.drops.reset()
		thief := attacker(i)
		g.drops.expect(thief)
		d, err := b.atSite(g.site, g.board, g.dir, rules)
		if err != nil {
			return guarded, whole, memory, err
		}
		if _, err = g.board.say(failure("1002", thief, 1) + failure("1002", thief, 1) + failure("1002", thief, 1)); err == nil {
			at, failed := g.drops.await(b.ctx, 30*time.Second)
			guarded.took(at.Sub(d.started))
			err = failed
		}
		if err == nil {
			last, failed := g.drops.awaitMany(b.ctx, n, 60*time.Second)
			whole.took(last.Sub(d.started))
			err = failed
		}
		memory.add(rss(d.cmd.Process.Pid))
		d.stop()
		if err != nil {
			return guarded, whole, memory, fmt.Errorf("%w: %s", err, d.log.Tail())
		}
	}
	return guarded, whole, memory, nil
}

// post is a site with a PBX and a daemon's folder, whose ledger holds bans.
type post struct {
	site  *site
	board *switchboard
	drops *drops
	dir   string
}

func (b *bench) postWith(bans int) (p *post, err error) {
	p = &post{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.site, err = newSite(); err != nil {
		return p, err
	}
	if p.board, err = newSwitchboard(p.site); err != nil {
		return p, err
	}
	if p.drops, err = hearDrops(p.site.do); err != nil {
		return p, err
	}
	if p.dir, err = b.folder(); err != nil {
		return p, err
	}
	return p, seedLedger(b.ctx, p.dir, bans)
}

func (p *post) close() {
	if p.drops != nil {
		p.drops.close()
	}
	if p.board != nil {
		p.board.close()
	}
	if p.site != nil {
		p.site.close()
	}
}
