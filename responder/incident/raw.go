package incident

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Raw is what an observation was read from, as Asterisk wrote it. In JSON it is
// a list of lines, with \xNN for each byte that is no printing ASCII and for the
// backslash, so that nothing is lost.
type Raw string

// Lines are the lines of the text, escaped as in JSON. Lines that end as those of
// the manager interface do (CR LF) are separated there alone: a bare line feed
// among them came from the network.
func (r Raw) Lines() []string {
	if r == "" {
		return nil
	}
	end := r.lineEnd()
	lines := strings.Split(strings.TrimSuffix(string(r), end), end)
	for i, line := range lines {
		lines[i] = escapeLine(line)
	}
	return lines
}

func (r Raw) lineEnd() string {
	if strings.Contains(string(r), "\r\n") {
		return "\r\n"
	}
	return "\n"
}

func escapeLine(line string) string {
	var b strings.Builder
	for _, c := range []byte(line) {
		if c < ' ' || c > '~' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// MarshalJSON writes the Lines.
func (r Raw) MarshalJSON() ([]byte, error) { return marshal(r.Lines()) }

// UnmarshalJSON reads what MarshalJSON wrote. Line ends become CR LF.
func (r *Raw) UnmarshalJSON(text []byte) error {
	var lines []string
	if err := json.Unmarshal(text, &lines); err != nil {
		return fmt.Errorf("incident: raw lines: %w", err)
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(unescapeLine(line))
		b.WriteString("\r\n")
	}
	*r = Raw(b.String())
	return nil
}

var escaped = regexp.MustCompile(`\\x[0-9a-f]{2}`)

func unescapeLine(line string) string {
	return escaped.ReplaceAllStringFunc(line, func(e string) string {
		n, _ := strconv.ParseUint(e[2:], 16, 8) // two hex digits always fit
		return string([]byte{byte(n)})
	})
}
