package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// latency is the time from the last byte of a guess too many to the kernel's
// drop, of the daemon as it is installed.
func (b *bench) latency() error {
	b.table.heading("from the event's last byte to the kernel's drop")
	for _, c := range []struct {
		what    string
		bans    int
		traffic int
		awake   bool // the listener, which then takes one of the processors
		goal    string
	}{
		{"idle daemon", 0, 0, true, "median ≤ 100 µs, p99 ≤ 1 ms"},
		{"idle daemon, the waking of a listener included", 0, 0, false, ""},
		{"50,000 other events/s", 0, 50_000, false, ""},
		{"50,000 other events/s, 100,000 bans in force", 100_000, 50_000, false, "p99 ≤ 5 ms"},
	} {
		s, err := b.latencyWith(c.bans, c.traffic, c.awake)
		b.table.add(c.what, duration, s, c.goal)
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	s, err := b.wakeUp()
	b.table.add("for comparison: one byte to an idle program and back, over TCP", duration, s, "")
	return err
}

// wakeUp is what this machine takes to wake a sleeping program and to be woken
// by it, which no daemon can undercut.
func (b *bench) wakeUp() (s sample, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, self, consumeCommand, "echo", l.Addr().String())
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if err != nil {
		return nil, err
	}
	one := make([]byte, 1)
	for range b.few(500, 60) {
		time.Sleep(5 * time.Millisecond)
		start := time.Now()
		if _, err = conn.Write(one); err == nil {
			_, err = conn.Read(one)
		}
		if err != nil {
			break
		}
		s.since(start)
	}
	return s, errors.Join(err, conn.Close(), cmd.Wait())
}

func (b *bench) latencyWith(bans, traffic int, awake bool) (s sample, err error) {
	p, err := b.postWith(bans)
	if err != nil {
		return nil, err
	}
	defer p.close()
	p.drops.awake.Store(awake)
	d, err := b.atSite(p.site, p.board, p.dir, rules)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	time.Sleep(time.Second) // the daemon has asked Asterisk all it wants to know
	ctx, cancel := context.WithCancel(b.ctx)
	var other sync.WaitGroup
	other.Go(func() { p.board.babble(ctx, traffic) })
	defer other.Wait()
	defer cancel()
	chance := rand.New(rand.NewPCG(1, uint64(bans)))
	for i := range b.few(500, 60) {
		thief := attacker(i)
		p.drops.expect(thief)
		if _, err := p.board.say(failure("1002", thief, i) + failure("1002", thief, i)); err != nil {
			return s, fmt.Errorf("%w: %s", err, d.log.Tail())
		}
		time.Sleep(5*time.Millisecond + time.Duration(chance.IntN(2000))*time.Microsecond)
		at, err := p.board.say(failure("1002", thief, i))
		if err != nil {
			return s, err
		}
		dropped, err := p.drops.await(b.ctx, 10*time.Second)
		if err != nil {
			return s, fmt.Errorf("%w: %s", err, d.log.Tail())
		}
		s.took(dropped.Sub(at))
	}
	return s, nil
}

// babble is a PBX with that many ordinary events a second, a millisecond's
// worth at a time.
func (b *switchboard) babble(ctx context.Context, rate int) {
	if rate == 0 {
		return
	}
	events := ordinary()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start, sent := time.Now(), 0
	for ctx.Err() == nil {
		<-tick.C
		var chunk strings.Builder
		for due := int(time.Since(start).Seconds() * float64(rate)); sent < due; sent++ {
			chunk.WriteString(events[sent%len(events)])
		}
		if _, err := b.say(chunk.String()); err != nil {
			return
		}
	}
}
