package amitest

import "strings"

// classes is a set of event or action classes.
type classes uint32

// classNames lists Asterisk's classes, in its order (perms in main/manager.c).
var classNames = []string{
	"system", "call", "log", "verbose", "command", "agent", "user", "config", "dtmf", "reporting",
	"cdr", "dialplan", "originate", "agi", "cc", "aoc", "test", "security", "message",
}

const all classes = 1<<19 - 1

// parseClasses parses an event mask, or a read= or write= option of manager.conf.
func parseClasses(text string) (set classes) {
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		switch name = strings.TrimSpace(name); name {
		case "all", "on", "yes", "true", "1":
			return all
		}
		for i, known := range classNames {
			if name == known {
				set |= 1 << i
			}
		}
	}
	return set
}

// granted returns the classes of a user. An empty text means all.
func granted(text string) classes {
	if text == "" {
		return all
	}
	return parseClasses(text)
}

// String returns the classes as in a Privilege header.
func (c classes) String() string {
	var names []string
	for i, name := range classNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(append(names, "all"), ",")
}
