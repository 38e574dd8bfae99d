package report

import (
	"strconv"
	"strings"
	"unicode"
)

// Plain makes text from the network safe to look at: what does not print, and
// what changes the direction of text, is escaped.
func Plain(s string) string {
	safe := func(r rune) bool { return unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	quoted = quoted[1 : len(quoted)-1]
	return strings.ReplaceAll(quoted, `\"`, `"`)
}
