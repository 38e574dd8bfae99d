package pbx

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrUnsafeName reports a name that cannot be put into an AMI action or a CLI
// command without changing its meaning. Nothing has been sent.
var ErrUnsafeName = errors.New("unsafe extension name")

// maxAccount is the longest account name: chan_iax2 reads 255 bytes of one, the other
// drivers fewer.
const maxAccount = 255

// checkAccount accepts the name of an account as an AMI action and a quoted argument of
// a CLI command can hold it: any UTF-8 but control characters and what Asterisk trims.
func checkAccount(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrUnsafeName)
	case len(name) > maxAccount:
		return fmt.Errorf("%w: longer than %d bytes", ErrUnsafeName, maxAccount)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %q is not UTF-8", ErrUnsafeName, name)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return fmt.Errorf("%w: %q holds a control character", ErrUnsafeName, name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%w: %q begins or ends with white space, which Asterisk drops", ErrUnsafeName, name)
	}
	return nil
}

// cliArgument is a name that has passed checkAccount as one argument of a CLI command
// (main/cli.c parse_args): in quotes if it is more than a word.
func cliArgument(name string) string {
	if !strings.ContainsAny(name, " \t\"\\") {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// maxName is longer than any name Asterisk itself can put into a channel name
// (AST_CHANNEL_NAME is 80).
const maxName = 80

// checkName accepts a name that is one word everywhere: letters, digits and the marks
// that mean nothing to the CLI, to config files and to AMI. White space, quotes, ';', '/', '|', brackets,
// backslashes, control and invalid bytes are refused.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: it is empty", ErrUnsafeName)
	}
	if len(name) > maxName {
		return fmt.Errorf("%w: longer than %d bytes", ErrUnsafeName, maxName)
	}
	for _, r := range name {
		if r == utf8.RuneError || !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.+@~:*#%&!$", r)) {
			return fmt.Errorf("%w: %q may hold letters, digits and _-.+@~:*#%%&!$ only", ErrUnsafeName, name)
		}
	}
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "#") {
		return fmt.Errorf("%w: %q begins with %q", ErrUnsafeName, name, name[:1])
	}
	return nil
}

// quoteERE escapes what a POSIX extended regular expression would read as more
// than itself. A backslash goes before special characters only: before others
// its meaning is undefined (IEEE Std 1003.1, 9.4.2).
func quoteERE(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\.[](){}*+?|^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
