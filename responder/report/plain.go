package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain makes untrusted text safe to display: it escapes characters that do not
// print or that change the direction of text.
func Plain(s string) string {
	safe := func(r rune) bool { return unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	quoted = quoted[1 : len(quoted)-1]
	return strings.ReplaceAll(quoted, `\"`, `"`)
}

// JSON returns a writer of JSON to w that also escapes what encoders leave alone:
// control characters beyond ASCII, some of which start terminal sequences just
// like ESC, and marks that change the direction of text. Each Write must consist
// of whole values.
func JSON(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(p []byte) (int, error) {
	if bytes.IndexFunc(p, unsafeInJSON) < 0 {
		return j.w.Write(p)
	}
	if _, err := j.w.Write(escape(string(p), func(r rune) bool { return !unsafeInJSON(r) })); err != nil {
		return 0, err
	}
	return len(p), nil
}

func unsafeInJSON(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }

// escape replaces unsafe characters by the escape sequences of JSON strings.
func escape(text string, safe func(rune) bool) []byte {
	var out []byte
	for _, r := range text {
		if safe(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}
