package numbers

import "strings"

const (
	// maxTried is how many digits an attacker tries before a number that cannot be read.
	maxTried = 5
	// minTried is how many digits such a number has at least.
	minTried = 7
)

// Same says whether two dialled strings are forms of one number: a plausible reading of
// both is the same, or, if one of them cannot be read, one is the other behind a few digits.
func (n *Number) Same(m *Number) bool {
	for i := range n.Readings {
		for j := range m.Readings {
			if e := n.Readings[i].E164; e != "" && e == m.Readings[j].E164 {
				return true
			}
		}
	}
	if n.certain && m.certain {
		return false
	}
	long, short := strings.TrimPrefix(n.Digits, "+"), strings.TrimPrefix(m.Digits, "+")
	if len(long) < len(short) {
		long, short = short, long
	}
	return len(short) >= minTried && len(long)-len(short) <= maxTried && strings.HasSuffix(long, short)
}
