package numbers

import (
	"slices"
	"strings"
	"unicode"
)

// spelling holds the digits that a dialled string may stand for.
type spelling struct {
	// main is what the string begins with; "" for a feature code or a name.
	main string
	// parts are the destinations in the string, one mostly. Of each, the digits that it
	// may stand for, the likeliest first.
	parts [][]string
}

// maxDialled is how much of a dialled string is read. Asterisk cuts off an extension after
// 79 characters; what is sent to a trunk has the trunk's name, too.
const maxDialled = 160

// spellings reads the digits of a dialled string, such as 020 7946 0001, sip:+44…@host,
// *31#0033…, 9w0033…, 1-800-FLOWERS or PJSIP/0033…@trunk&PJSIP/1002.
func spellings(dialled string) spelling {
	dialled = plain(dialled[:min(len(dialled), maxDialled)])
	var s spelling
	for i, destination := range strings.Split(dialled, "&") {
		context := phoneContext(destination)
		destination = withoutHost(destination)
		if i == 0 {
			s.main = leadingDigits(destination)
		}
		if part := variants(destination); len(part) > 0 {
			s.parts = append(s.parts, part)
		}
		if context != "" {
			s.parts = append(s.parts, []string{context + onlyDigits(destination)})
		}
	}
	return s
}

// plain decodes percent signs and replaces digits and signs of other scripts.
func plain(s string) string {
	ascii := strings.IndexFunc(s, func(r rune) bool { return r == '%' || r > unicode.MaxASCII }) < 0
	if ascii {
		return s
	}
	var b strings.Builder
	for i := 0; i+2 < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if c, ok := unhex(s[i+1], s[i+2]); ok {
			b.WriteString(s[:i])
			b.WriteByte(c)
			s, i = s[i+3:], -1
		}
	}
	b.WriteString(s)
	return strings.Map(func(r rune) rune {
		switch {
		case r <= unicode.MaxASCII:
			return r
		case r >= 0xff01 && r <= 0xff5e: // full width
			return r - 0xfee0
		case unicode.IsDigit(r):
			return '0' + digitOf(r)
		}
		return r
	}, b.String())
}

func unhex(high, low byte) (c byte, ok bool) {
	const digits = "0123456789abcdef"
	h := strings.IndexByte(digits, high|0x20)
	l := strings.IndexByte(digits, low|0x20)
	return byte(h<<4 | l), h >= 0 && l >= 0
}

// digitOf returns the value of a decimal digit: Unicode lists those of a script in order.
func digitOf(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// withoutHost removes the scheme, parameters and host of a URI, and what surrounds the
// number in a destination of Dial, such as PJSIP/trunk/sip:…, Local/…@context/n.
func withoutHost(s string) string {
	parts := strings.Split(s, "/")
	if len(parts) > 1 && strings.ContainsFunc(s, unicode.IsLetter) {
		slices.Reverse(parts)
		i := slices.IndexFunc(parts, func(part string) bool {
			part = withoutScheme(part)
			return part != "" && (isDigit(rune(part[0])) || strings.ContainsRune("+*#", rune(part[0])))
		})
		s = parts[max(i, 0)]
	}
	s, _, _ = strings.Cut(User(s), ";")
	return s
}

// User returns the user of a URI that names a number, without scheme and host, and of its
// parameters only the context of a local number (RFC 3966, ";phone-context=+881"). The URI may
// be in angle brackets. What is no URI is returned as it is.
func User(uri string) string {
	if i := strings.IndexByte(uri, '<'); i >= 0 {
		uri = uri[i+1:]
	}
	user := withoutScheme(uri)
	if i := strings.IndexAny(user, ";@?>"); i >= 0 {
		user = user[:i]
	}
	if context := phoneContext(uri); context != "" {
		user += contextName + context
	}
	return user
}

const contextName = ";phone-context="

// phoneContext returns the digits, with a +, that belong before a local number; "" if there are
// none. A context may also be a domain.
func phoneContext(uri string) string {
	for i := range uri {
		if len(uri)-i >= len(contextName) && strings.EqualFold(uri[i:i+len(contextName)], contextName) {
			if context := leadingDigits(uri[i+len(contextName):]); len(context) > 1 && context[0] == '+' {
				return context
			}
		}
	}
	return ""
}

func withoutScheme(s string) string {
	s = strings.TrimLeft(s, " \t<\"'")
	for _, scheme := range schemes {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return s[len(scheme):]
		}
	}
	return s
}

// schemes are those of URIs that name a number.
var schemes = []string{"sip:", "sips:", "tel:"}

// separators are what people write between digits. A slash is one in 020/7946.
const separators = " -.()/~_\t\u00a0"

// leadingDigits returns the digits that a destination begins with.
func leadingDigits(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case isDigit(c), c == '+' && b.Len() == 0:
			b.WriteRune(c)
		case c == '+' && b.String() == "+":
		case strings.ContainsRune(separators, c):
		default:
			return b.String()
		}
	}
	return b.String()
}

// variants returns the digits that one destination may stand for: those that it begins
// with, all of them, each run of them between pauses and signs, and those of its letters.
func variants(s string) (list []string) {
	main := leadingDigits(s)
	all := []string{main}
	if i := strings.LastIndexByte(s, '/'); i >= 0 { // behind the group or the address of a trunk
		all = append(all, leadingDigits(s[i+1:]))
	}
	if digits := onlyDigits(s); digits != strings.TrimPrefix(main, "+") {
		all = append(all, behindCode(s)...)
		all = append(all, runs(s)...)
		all = append(all, digits)
	}
	if len(main) >= minBeforeLetters {
		all = append(all, keyed(s))
	}
	for _, digits := range all {
		if strings.Trim(digits, "+") != "" && !slices.Contains(list, digits) {
			list = append(list, digits)
		}
	}
	return list
}

// behindCode returns what is behind a feature code, which has two or three digits.
func behindCode(s string) (list []string) {
	code := strings.TrimLeft(s, "*#")
	for n := 2; n <= 3 && n < len(code) && len(code) < len(s); n++ {
		if digits := leadingDigits(code[n:]); len(digits) >= shortest {
			list = append(list, digits)
		}
	}
	return list
}

// runs returns the digits between signs and pauses.
func runs(s string) (list []string) {
	for _, run := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune("*#,wWpP!", c) }) {
		if digits := leadingDigits(run); len(digits) >= shortest {
			list = append(list, digits)
		}
	}
	return list
}

// minBeforeLetters is how many digits come before letters that stand for digits, as in
// 1800FLOWERS: an extension may be a name.
const minBeforeLetters = 3

// keyed returns the digits of a string with letters as on the keys of a phone (ITU E.161).
func keyed(s string) string {
	const keys = "22233344455566677778889999"
	return strings.Map(func(c rune) rune {
		switch {
		case isDigit(c):
			return c
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			return rune(keys[c|0x20-'a'])
		}
		return -1
	}, s)
}

func onlyDigits(s string) string {
	return strings.Map(func(c rune) rune {
		if isDigit(c) {
			return c
		}
		return -1
	}, s)
}

func isDigit(c rune) bool { return c >= '0' && c <= '9' }
