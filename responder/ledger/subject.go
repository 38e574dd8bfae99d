package ledger

import (
	"database/sql/driver"
	"net/netip"
	"strings"

	"modernc.org/sqlite"
)

// redacted stands where a person was named.
const redacted = "[forgotten]"

// The SQL functions is_about(value, subject), whether a value is the subject, and
// without(text, subject), a text without it. A subject is an account, a number or an
// address; an IPv6 address stands for its /64, as everywhere.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("is_about", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		value, _ := args[0].(string)
		subject, _ := args[1].(string)
		return isAbout(value, subject), nil
	})
	sqlite.MustRegisterDeterministicScalarFunction("without", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		subject, _ := args[1].(string)
		switch v := args[0].(type) {
		case string:
			return without(v, subject), nil
		case []byte:
			return []byte(without(string(v), subject)), nil
		}
		return args[0], nil
	})
}

func isAbout(value, subject string) bool {
	if value == subject {
		return value != ""
	}
	addr, err := netip.ParseAddr(subject)
	return err == nil && inReach(value, addr)
}

// inReach reports whether an address or a prefix, as text, is the subject's address or
// its /64.
func inReach(text string, addr netip.Addr) bool {
	addr = addr.Unmap()
	reach := netip.PrefixFrom(addr, addr.BitLen())
	if addr.Is6() {
		reach = netip.PrefixFrom(addr, 64).Masked()
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Bits() >= reach.Bits() && reach.Contains(p.Addr())
	}
	a, err := netip.ParseAddr(text)
	return err == nil && reach.Contains(a.Unmap())
}

// without replaces the words of a text that are the subject.
func without(text, subject string) string {
	is, inWord := sameName(subject), isNameRune
	if addr, err := netip.ParseAddr(subject); err == nil {
		is, inWord = sameAddress(addr.Unmap()), isIPv6Rune
		if addr.Unmap().Is4() {
			inWord = isIPv4Rune
		}
	} else if subject == "" || !strings.Contains(text, subject) {
		return text
	}
	var out strings.Builder
	for text != "" {
		n := spanOf(text, func(r rune) bool { return !inWord(r) })
		out.WriteString(text[:n])
		text = text[n:]
		n = spanOf(text, inWord)
		word := text[:n]
		text = text[n:]
		core := strings.TrimRight(word, ".:") // a sentence may end behind it
		switch {
		case is(word):
			out.WriteString(redacted)
		case is(core):
			out.WriteString(redacted + word[len(core):])
		default:
			out.WriteString(word)
		}
	}
	return out.String()
}

// spanOf is how many bytes at the text's beginning are such characters.
func spanOf(text string, such func(rune) bool) int {
	if n := strings.IndexFunc(text, func(r rune) bool { return !such(r) }); n >= 0 {
		return n
	}
	return len(text)
}

// sameName matches an account, and the name of one of its channels (1006-0000001a).
func sameName(subject string) func(string) bool {
	return func(word string) bool { return word == subject || strings.HasPrefix(word, subject+"-") }
}

func sameAddress(addr netip.Addr) func(string) bool {
	return func(word string) bool { return inReach(word, addr) }
}

func isNameRune(r rune) bool {
	return r == '.' || r == '-' || r == '_' || r == '+' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r > 127
}

func isIPv4Rune(r rune) bool { return r == '.' || '0' <= r && r <= '9' }

func isIPv6Rune(r rune) bool {
	return r == ':' || isIPv4Rune(r) || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F'
}
