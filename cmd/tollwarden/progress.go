package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/replay"
)

// bar shows the progress of a replay: as a bar on a terminal, elsewhere as a line for every
// tenth of it.
type bar struct {
	w        io.Writer
	terminal bool
	last     time.Time
	tenths   int
}

// newBar makes a bar if w is a terminal or plain is wanted, otherwise nil.
func newBar(w io.Writer, plain bool) *bar {
	f, ok := w.(*os.File)
	terminal := ok && isatty.IsTerminal(f.Fd())
	if !terminal && !plain {
		return nil
	}
	return &bar{w: w, terminal: terminal}
}

func (b *bar) show(p replay.Progress) {
	part := 1.0
	if p.Size > 0 {
		part = min(1, float64(p.Read)/float64(p.Size))
	}
	if !b.terminal {
		if tenths := int(part * 10); tenths > b.tenths {
			b.tenths = tenths
			fmt.Fprintf(b.w, "%3d%%  %s  %s\n", tenths*10, output.Time(p.At), incident.Count(int(p.Items), "observation"))
		}
		return
	}
	const width, every = 30, 200 * time.Millisecond
	now := time.Now()
	if now.Sub(b.last) < every {
		return
	}
	b.last = now
	full := int(part * width)
	fmt.Fprintf(b.w, "\r[%s%s] %3.0f%%  %s  %d observations ", strings.Repeat("#", full), strings.Repeat(".", width-full), part*100, output.Time(p.At), p.Items)
}

func (b *bar) clear() {
	if b.terminal {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", 100))
	}
}
