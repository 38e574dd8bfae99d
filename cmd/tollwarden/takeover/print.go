package takeover

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// Print lists for a person what was imported or, if dry, what would be.
func (im *Import) Print(w io.Writer, dry bool) {
	heading := "SET"
	if im.from == fail2ban {
		heading = "JAIL"
	}
	t := output.NewTable(w, "IP ADDRESS", heading, "SINCE", "UNTIL")
	for _, b := range im.Bans {
		var end time.Time
		if b.Until != nil {
			end = *b.Until
		}
		t.Row(incident.PrefixText(b.Prefix), b.Jail, output.Time(b.Since), output.Until(end))
	}
	t.Flush()
	if len(im.Allowed) > 0 {
		fmt.Fprintf(w, "allowed: %s\n", output.Join(im.Allowed))
	}
	for _, s := range im.Skipped {
		fmt.Fprintf(w, "skipped: %s: %s\n", output.Plain(s.What), output.Plain(strings.TrimPrefix(s.Why, s.What+" ")))
	}
	words := "imported"
	switch {
	case dry:
		words = "would be imported"
	case im.Offline:
		words = "written for the next start of the daemon"
	}
	fmt.Fprintf(w, "%s and %s %s, %d skipped.\n", incident.Count(len(im.Bans), "ban"), incident.Count(len(im.Allowed), "allowed range"), words, len(im.Skipped))
}
