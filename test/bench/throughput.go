package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// throughput is how many events one core takes from a socket to the score,
// and how many goami's own reader takes to have read them only.
func (b *bench) throughput() error {
	post, err := newSite()
	if err != nil {
		return err
	}
	defer post.close()
	rates := map[string]*sample{"tollwarden": {}, "goami": {}}
	var walls, both, ratios sample
	for range b.few(7, 2) {
		for name, rate := range rates {
			c, err := b.feed(post, name, true)
			if err != nil {
				return err
			}
			rate.add(float64(c.Events) / c.CPU.Seconds())
			if name == "tollwarden" {
				walls.add(float64(c.Events) / c.Took.Seconds())
			}
		}
		ours, theirs := *rates["tollwarden"], *rates["goami"]
		ratios.add(ours[len(ours)-1] / theirs[len(theirs)-1])
		free, err := b.feed(post, "tollwarden", false)
		if err != nil {
			return err
		}
		both.add(float64(free.Events) / free.Took.Seconds())
	}
	b.table.heading("events per second, TCP socket to score, ordinary security events")
	b.table.add("Tollwarden, per second of processor time", perSecond, *rates["tollwarden"], "≥ 1,000,000/s")
	b.table.add("Tollwarden, per second on one core, the writer on another", perSecond, walls, "")
	b.table.add("Tollwarden, per second, not held to a core", perSecond, both, "")
	b.table.add("goami's own reader, per second of processor time", perSecond, *rates["goami"], "")
	b.table.add("ratio", times, ratios, "≥ 10×")
	return nil
}

// feed starts a reader and gives it events as fast as it takes them.
func (b *bench) feed(post *site, reader string, oneCore bool) (c consumed, err error) {
	l, err := post.listen()
	if err != nil {
		return c, err
	}
	defer l.Close()
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(b.ctx, self, consumeCommand, reader, l.Addr().String())
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	start := cmd.Start
	if oneCore {
		start = func() error { return startOn(runtime.NumCPU()-1, cmd) }
	}
	if err := post.do(start); err != nil {
		return c, err
	}
	conn, err := l.Accept()
	if err != nil {
		return c, err
	}
	text := []byte(strings.Repeat(strings.Join(ordinary(), ""), 4))
	_, err = conn.Write([]byte("Asterisk Call Manager/11.0.0\r\n"))
	lasts := time.Duration(b.few(2000, 800)) * time.Millisecond
	for began := time.Now(); err == nil && time.Since(began) < lasts; {
		_, err = conn.Write(text)
	}
	conn.Close()
	if waited := cmd.Wait(); waited != nil || err != nil {
		return c, fmt.Errorf("feed %s: %w, %w", reader, err, waited)
	}
	return c, json.Unmarshal(out.Bytes(), &c)
}

// startOn starts a program on one core, which it inherits from the thread that
// starts it.
func startOn(core int, cmd *exec.Cmd) error {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &all); err == nil {
		err = back
	}
	return err
}
