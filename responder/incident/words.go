package incident

import (
	"errors"
	"fmt"
)

// ErrRefused begins every refusal of an operator's order; the text says why and
// what to do.
var ErrRefused = errors.New("refused")

// Count writes a number with its noun, like "1 ban" and "3 bans".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Ordinal writes a number as in "2nd".
func Ordinal(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

// AddressesText counts addresses and networks, like "2 addresses and 1 network".
func AddressesText(addresses, networks int) string {
	words := fmt.Sprintf("%d addresses", addresses)
	if addresses == 1 {
		words = "1 address"
	}
	switch {
	case networks == 0:
		return words
	case addresses == 0:
		return Count(networks, "network")
	}
	return words + " and " + Count(networks, "network")
}
