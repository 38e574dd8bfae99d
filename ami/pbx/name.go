package pbx

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrUnsafeName reports a name that cannot be put into an AMI action, a CLI
// command and a regular expression without changing its meaning. Nothing has
// been sent.
var ErrUnsafeName = errors.New("unsafe account name")

// maxName is longer than any name Asterisk itself can put into a channel name
// (AST_CHANNEL_NAME is 80).
const maxName = 80

// checkName accepts letters, digits and the marks that mean nothing to the CLI,
// to config files and to AMI. White space, quotes, ';', '/', '|', brackets,
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
