package places

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSignedIn bounds the registrations that a person is shown.
const maxSignedIn = 50

// WhoseAreThese asks a person about the registrations that SignedIn lists, and says what
// to do about a thief's.
const WhoseAreThese = "Which of these are not yours? `tollwarden compromise EXTENSION` treats an extension as stolen: it ends its calls, changes its " +
	"password and removes its registrations. `tollwarden ban ADDRESS` blocks an address (both in mode enforce)."

// SignedIn lists who is registered, from where and with what, a line each, in order.
func SignedIn(contacts []Contact) (lines []string) {
	list := slices.Clone(contacts)
	slices.SortFunc(list, func(x, y Contact) int {
		return cmp.Or(compareNumbers(x.Account, y.Account), x.Source.Compare(y.Source), cmp.Compare(x.Port, y.Port))
	})
	for n, c := range list {
		if n == maxSignedIn {
			return append(lines, fmt.Sprintf("and %d more", len(list)-n))
		}
		from := "an unknown address"
		if c.Source.IsValid() {
			from = c.Source.Unmap().String()
		}
		agent := "no User-Agent"
		if c.Agent != "" {
			agent = "User-Agent " + strconv.QuoteToGraphic(c.Agent[:min(len(c.Agent), maxAgent)])
		}
		lines = append(lines, fmt.Sprintf("%s from %s, %s", printable(c.Account), from, agent))
	}
	return lines
}

// compareNumbers orders extensions as a person does: 99 before 1001.
func compareNumbers(x, y string) int {
	return cmp.Or(cmp.Compare(len(strings.TrimLeft(x, "0")), len(strings.TrimLeft(y, "0"))), strings.Compare(x, y))
}

// printable is a name without control characters.
func printable(name string) string { return strings.Trim(strconv.QuoteToGraphic(name), `"`) }
