package incident

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Command writes a command of ours as a person can copy it, in backquotes: whatever a
// shell could take for something else is quoted.
func Command(args ...string) string { return "`" + CommandLine(args...) + "`" }

// AccountCommand is Command for an account, whose name a stranger may have made up, and
// for what follows the name.
func AccountCommand(command, account string, more ...string) string {
	words := []string{command}
	if strings.HasPrefix(account, "-") { // it is no flag, and flags stand before it
		flags := slices.DeleteFunc(slices.Clone(more), func(s string) bool { return !strings.HasPrefix(s, "--") })
		more = slices.DeleteFunc(slices.Clone(more), func(s string) bool { return strings.HasPrefix(s, "--") })
		words = append(append(words, flags...), "--")
	}
	return Command(append(append(words, account), more...)...)
}

// CommandLine is Command without the backquotes.
func CommandLine(args ...string) string {
	var b strings.Builder
	b.WriteString("tollwarden")
	for _, arg := range args {
		b.WriteByte(' ')
		b.WriteString(ShellWord(arg))
	}
	return b.String()
}

// ShellWord quotes a word for bash where that is necessary. The result is one line
// without a backquote or a character that does not print.
func ShellWord(s string) string {
	plain, printable := s != "", true
	for _, c := range s {
		plain = plain && (c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c)) || strings.ContainsRune("-_./:@%+,", c))
		printable = printable && unicode.IsPrint(c) && c != unicode.ReplacementChar && c != '`'
	}
	switch {
	case plain:
		return s
	case printable:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return ansiQuote(s)
}

// ansiQuote quotes a word as bash's $'…' has it, with every byte but plain ones
// escaped.
func ansiQuote(s string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == ' ':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	b.WriteString("'")
	return b.String()
}
