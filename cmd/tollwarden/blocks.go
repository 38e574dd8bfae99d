package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// blocks are all that is blocked or throttled.
type blocks struct {
	bans    []incident.Ban
	partial []incident.PartialBlock
}

func readBlocks(ctx context.Context, c *control.Client) (b blocks, err error) {
	if b.bans, err = c.Bans(ctx); err == nil {
		b.partial, err = c.Partial(ctx)
	}
	return b, err
}

// all are the blocks for JSON: the bans, then the partial blocks.
func (b blocks) all() []any {
	list := make([]any, 0, len(b.bans)+len(b.partial))
	for _, ban := range b.bans {
		list = append(list, ban)
	}
	for _, p := range b.partial {
		list = append(list, p)
	}
	return list
}

// briefly is how much of a reason fits into a row; that of a break-in is a paragraph.
const briefly = 60

// shortened is a text of at most that many characters, cut at a word.
func shortened(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	cut := string(runes[:most-1])
	if at := strings.LastIndexByte(cut, ' '); at > 0 {
		cut = cut[:at]
	}
	return strings.TrimRight(cut, " ,;:") + "…"
}

// print lists the blocks, the newest first; reasons in full only if verbose.
func (b blocks) print(w io.Writer, verbose bool) {
	type row struct {
		since time.Time
		cells []string
	}
	rows := make([]row, 0, len(b.bans)+len(b.partial))
	for _, b := range b.bans {
		rows = append(rows, row{b.Since, []string{incident.PrefixText(b.Prefix), output.Time(b.Since), output.Until(b.Until), dropped(b), packets(b), rung(b), b.Origin, b.Reason}})
	}
	for _, b := range b.partial {
		rows = append(rows, row{b.Since, []string{b.Target(), output.Time(b.Since), output.Until(b.Until), b.Words(), "-", "-", b.Origin, b.Why()}})
	}
	slices.SortStableFunc(rows, func(x, y row) int { return y.since.Compare(x.since) })
	t := output.NewTable(w, "IP ADDRESS", "SINCE", "UNTIL", "BLOCKED", "PACKETS", "TIMES BANNED", "ORIGIN", "REASON")
	for _, r := range rows {
		if last := len(r.cells) - 1; !verbose {
			r.cells[last] = shortened(r.cells[last], briefly)
		}
		t.Row(r.cells...)
	}
	t.Flush()
}

// changeLine is a change of a block, in one line.
func changeLine(c control.BanChange, change string) string {
	target, until, reason := incident.PrefixText(c.Ban.Prefix), untilWords(c.Ban), c.Ban.Reason
	if c.Ban.Observed {
		until = "would be blocked, " + until
	}
	if b := c.Partial; b.Kind != "" {
		target, until, reason = b.Target(), b.Words()+", "+output.UntilWords(b.Until), b.Why()
	}
	return fmt.Sprintf("%s  %s  %s  %s  %s", output.Time(c.At), change, target, until, output.Plain(cmp.Or(reason, "-")))
}
