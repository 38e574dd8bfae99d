package edit

import (
	"errors"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// list is the text of a list of strings.
type list struct {
	text      string
	elements  []element
	commented bool
}

type element struct {
	from, to int // to is behind the comma, if there is one
	comma    bool
	value    string
}

// parseList reads a list. One whose elements are not strings has no elements.
func parseList(text string) list {
	l := list{text: text}
	s := &scanner{text: text, at: 1}
	for text[0] == '[' && s.at < len(text) {
		switch c := text[s.at]; c {
		case '#':
			l.commented = true
			s.comment()
		case '"', '\'':
			e := element{from: s.at}
			if s.value() != nil {
				return l
			}
			e.to = s.at
			var v struct{ V string }
			if _, err := toml.Decode("V = "+text[e.from:e.to], &v); err != nil {
				return l
			}
			e.value = v.V
			l.elements = append(l.elements, e)
		case ',':
			if n := len(l.elements); n > 0 {
				l.elements[n-1].comma = true
				l.elements[n-1].to = s.at + 1
			}
			s.at++
		default:
			s.at++
		}
	}
	return l
}

// with is the list with exactly these values, and its comments but those of elements that
// go. The lines of elements that stay are untouched.
func (l list) with(values []string) (string, error) {
	var keep []element
	text, shift := l.text, 0
	for _, e := range l.elements {
		if slices.Contains(values, e.value) {
			e.from, e.to = e.from-shift, e.to-shift
			keep = append(keep, e)
			continue
		}
		from, to, alone := wholeLine(text, e.from-shift, e.to-shift)
		if !alone {
			return "", errors.New("the list has comments, and an element to remove shares its line: change it by hand")
		}
		text, shift = text[:from]+text[to:], shift+to-from
	}
	var missing []string
	for _, v := range values {
		if !slices.ContainsFunc(keep, func(e element) bool { return e.value == v }) {
			q, err := quote(v)
			if err != nil {
				return "", err
			}
			missing = append(missing, q)
		}
	}
	if len(missing) == 0 {
		return text, nil
	}
	if len(keep) == 0 {
		return "[\n    " + strings.Join(missing, ",\n    ") + "," + text[1:], nil
	}
	last := keep[len(keep)-1]
	indent := text[strings.LastIndexByte(text[:last.from], '\n')+1 : last.from]
	if strings.TrimLeft(indent, " \t") != "" { // the line begins with another element, or the bracket
		indent = "    "
	}
	end := strings.IndexByte(text[last.to:], '\n')
	if end < 0 {
		return "", errors.New("the list's comments cannot be kept: change it by hand")
	}
	comma := ","
	if last.comma {
		comma = ""
	}
	end += last.to
	if strings.Contains(strings.SplitN(text[last.to:end], "#", 2)[0], "]") { // nothing can follow on that line
		return "", errors.New("the list's comments cannot be kept: change it by hand")
	}
	return text[:last.to] + comma + text[last.to:end] + "\n" + indent + strings.Join(missing, ",\n"+indent) + "," + text[end:], nil
}

// wholeLine widens an element to its line, with the comment behind it, if nothing else
// stands there.
func wholeLine(text string, from, to int) (start, end int, alone bool) {
	start = strings.LastIndexByte(text[:from], '\n') + 1
	end = strings.IndexByte(text[to:], '\n')
	if end < 0 || start == 0 {
		return 0, 0, false
	}
	end += to
	behind := strings.TrimSpace(text[to:end])
	alone = strings.TrimSpace(text[start:from]) == "" && (behind == "" || behind[0] == '#')
	return start, end + 1, alone
}
