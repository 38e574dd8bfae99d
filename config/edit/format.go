package edit

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine is how long a list may be, in bytes, to stand on one line.
const maxLine = 100

// format writes a value as TOML does. Long lists take one line for each element.
func format(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return quote(v)
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case []int:
		return strings.ReplaceAll(fmt.Sprint(v), " ", ", "), nil
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			var err error
			if list[i], err = quote(s); err != nil {
				return "", err
			}
		}
		if line := "[" + strings.Join(list, ", ") + "]"; len(line) <= maxLine {
			return line, nil
		}
		return "[\n    " + strings.Join(list, ",\n    ") + ",\n]", nil
	}
	return "", fmt.Errorf("a value of type %T: want a string, bool, int, []int or []string", value)
}

// quote writes a basic string.
func quote(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not valid UTF-8", s)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}
