package config

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	tableLine = regexp.MustCompile(`^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]`)
	keyLine   = regexp.MustCompile(`^\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=`)
	space     = regexp.MustCompile(`\s+`)
	index     = regexp.MustCompile(`\[\d+\]`)
)

// locate maps each dotted key to its line; elements of arrays of tables are
// "threshold[0].score". Keys are in lower case, since the decoder ignores it. It is
// only good enough for messages: keys in quotes or inline tables are missing.
func locate(data []byte) map[string]int {
	lines := map[string]int{}
	count := map[string]int{}
	table := ""
	for i, text := range strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		text = strings.ToLower(text)
		if m := tableLine.FindStringSubmatch(text); m != nil {
			table = m[2]
			if m[1] == "[[" {
				table += "[" + strconv.Itoa(count[m[2]]) + "]"
				count[m[2]]++
			}
			lines[table] = i + 1
			table += "."
			continue
		}
		if m := keyLine.FindStringSubmatch(text); m != nil {
			lines[table+space.ReplaceAllString(m[1], "")] = i + 1
		}
	}
	return lines
}

// stripIndex turns "threshold[0].score" into "threshold.score".
func stripIndex(key string) string { return index.ReplaceAllString(key, "") }

// line is the line of a key; 0 when it is not known.
func (p *parser) line(key string) int { return p.lines[strings.ToLower(key)] }

// nearestLine is the line of a key or, when that is unknown, of the table around
// it; 0 when neither is known.
func (p *parser) nearestLine(key string) int {
	for {
		if line := p.line(key); line > 0 {
			return line
		}
		dot := strings.LastIndexByte(key, '.')
		if dot < 0 {
			return 0
		}
		key = key[:dot]
	}
}
