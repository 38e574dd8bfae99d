package main

import (
	"os"
	"time"
)

// small is what the daemon costs when nothing happens.
func (b *bench) small() error {
	post, err := newSite()
	if err != nil {
		return err
	}
	defer post.close()
	w, err := newSwitchboard(post)
	if err != nil {
		return err
	}
	defer w.close()
	var memory, private, processor sample
	lasts := time.Duration(b.few(10, 5)) * time.Second
	for range b.few(3, 1) {
		dir, err := b.folder()
		if err != nil {
			return err
		}
		d, err := b.atSite(post, w, dir, "")
		if err != nil {
			return err
		}
		time.Sleep(15 * time.Second) // the start is done with, and the first look at the kernel
		start, used := time.Now(), cpuTime(d.cmd.Process.Pid)
		time.Sleep(lasts)
		used = cpuTime(d.cmd.Process.Pid) - used
		processor.add(100 * used.Seconds() / time.Since(start).Seconds())
		memory.add(rss(d.cmd.Process.Pid))
		private.add(memoryOf(d.cmd.Process.Pid, "RssAnon:"))
		d.stop()
	}
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.table.heading("small")
	b.table.add("resident memory, idle, default rules", megabytes, memory, "< 25 MB")
	b.table.add("of it the daemon's own, the rest being pages of the program's file", megabytes, private, "")
	b.table.add("processor, idle, of one core", percent, processor, "< 0.1 %")
	b.table.add("binary, static and stripped", megabytes, sample{float64(info.Size())}, "< 30 MB")
	return nil
}
