package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// settleNames resolves the host names on the allow list that lead nowhere yet, all at once, so
// that a reload can say whether they do now.
func (c *configuration) settleNames(ctx context.Context) {
	var all sync.WaitGroup
	for _, name := range c.allow.names(time.Now()) {
		if addresses, _ := c.names.of(name); len(addresses) == 0 {
			all.Go(func() { c.names.add(ctx, name) })
		}
	}
	all.Wait()
	c.refreshAllowList(time.Now())
}

// notInForce lists the entries of the allow list that allow nothing now, and why.
func (c *configuration) notInForce(now time.Time) (list []string) {
	for _, a := range c.allow.list(now) {
		if why := c.whyNotInForce(a); why != "" {
			list = append(list, fmt.Sprintf("%s: %s", a.What(), why))
		}
	}
	return list
}

// whyNotInForce is "" for an entry in force.
func (c *configuration) whyNotInForce(a control.Allowed) string {
	switch {
	case a.Refused != "":
		return refusedWords(a)
	case a.Ended:
		return "it ended at " + incident.TimeText(*a.Until)
	case a.Name == "":
		return ""
	}
	if addresses, problem := c.names.of(a.Name); len(addresses) == 0 {
		return problem + ": it is resolved again every minute"
	}
	return ""
}

func refusedWords(a control.Allowed) string {
	return fmt.Sprintf("%s: replace it with smaller networks, or write \"%s force\"", a.Refused, a.What())
}

// inForceWords says what a reload has put in force, and what it has not.
func (c *configuration) inForceWords(now time.Time) string {
	words := c.file.Path() + " is in force"
	if except := c.notInForce(now); len(except) > 0 {
		words += ", but not these entries of the allow list:\n  " + strings.Join(except, "\n  ")
	}
	return words
}
