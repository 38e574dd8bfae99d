package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/replay"
)

// bar shows the progress of a replay on a terminal.
type bar struct {
	w    io.Writer
	last time.Time
}

// newBar makes a bar if w is a terminal, otherwise nil.
func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &bar{w: w}
}

func (b *bar) show(p replay.Progress) {
	const width, every = 30, 200 * time.Millisecond
	now := time.Now()
	if now.Sub(b.last) < every {
		return
	}
	b.last = now
	part := 1.0
	if p.Size > 0 {
		part = min(1, float64(p.Read)/float64(p.Size))
	}
	full := int(part * width)
	fmt.Fprintf(b.w, "\r[%s%s] %3.0f%%  %s  %d observations ", strings.Repeat("#", full), strings.Repeat(".", width-full), part*100, output.Time(p.At), p.Items)
}

func (b *bar) clear() { fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", 100)) }
