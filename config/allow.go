package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AllowItem is one entry of an allow list: an address, a prefix or a host name. As
// text it is "WHAT [force] [until TIME]".
type AllowItem struct {
	Prefix netip.Prefix // the zero Prefix for a host name
	Name   string       // a host name, in lower case; "" for a prefix
	Force  bool         // in force although it is too wide
	Until  time.Time    // when it ends; zero: never
}

// ParseAllow reads an entry. A prefix that is too wide is no error: see Refused.
func ParseAllow(s string) (item AllowItem, err error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return item, errors.New(`no entry: want an address, a prefix or a host name`)
	}
	if item, err = parseAllowed(words[0]); err != nil {
		return item, err
	}
	for rest := words[1:]; len(rest) > 0; {
		switch {
		case rest[0] == "force":
			item.Force, rest = true, rest[1:]
		case rest[0] == "until" && len(rest) > 1:
			if item.Until, err = parseUntil(rest[1]); err != nil {
				return item, err
			}
			rest = rest[2:]
		default:
			return item, fmt.Errorf(`%q after %s: want "force", "until" with a time, or a comment that begins with #`, rest[0], words[0])
		}
	}
	return item, nil
}

func parseAllowed(word string) (AllowItem, error) {
	if isHostName(word) {
		return AllowItem{Name: strings.ToLower(strings.TrimSuffix(word, "."))}, nil
	}
	prefix, err := ParsePrefix(word)
	if err != nil {
		return AllowItem{}, fmt.Errorf("%w, or a host name such as \"office.example.org\"", err)
	}
	return AllowItem{Prefix: prefix}, nil
}

var label = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$`)

// isHostName reports whether s is a name with a domain (RFC 1123 section 2.1), whose last
// label is not all digits, so that a mistyped address is none.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	labels := strings.Split(s, ".")
	if len(s) > 253 || len(labels) < 2 || strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return false
	}
	return !slices.ContainsFunc(labels, func(l string) bool { return !label.MatchString(l) })
}

func parseUntil(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf(`%q: want a time such as "2026-12-31" or "2026-12-31T18:00:00Z"`, s)
}

// String writes the entry as ParseAllow reads it.
func (a AllowItem) String() string {
	text := a.What()
	if a.Force {
		text += " force"
	}
	if !a.Until.IsZero() {
		text += " until " + a.Until.UTC().Format(time.RFC3339)
	}
	return text
}

// MarshalText writes a prefix with its length, also that of an address, or a host name.
func (a AllowItem) MarshalText() ([]byte, error) {
	if a.Name != "" {
		return []byte(a.Name), nil
	}
	return a.Prefix.MarshalText()
}

// What is the address, prefix or host name.
func (a AllowItem) What() string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Prefix.IsSingleIP():
		return a.Prefix.Addr().String()
	}
	return a.Prefix.String()
}

// Same reports whether two entries are about the same addresses.
func (a AllowItem) Same(b AllowItem) bool { return a.Prefix == b.Prefix && a.Name == b.Name }

// CoveredBy reports whether another entry allows all that this one does. When they end is
// not compared.
func (a AllowItem) CoveredBy(b AllowItem) bool {
	if a.Name != "" || b.Name != "" {
		return a.Name == b.Name
	}
	return b.Prefix.Bits() <= a.Prefix.Bits() && b.Prefix.Contains(a.Prefix.Addr())
}

// Refused says why the entry is not in force though it has not ended; "" if it is.
func (a AllowItem) Refused() string {
	if a.Force || !a.Prefix.IsValid() || !TooWide(a.Prefix) {
		return ""
	}
	return tooWide(a.Prefix)
}

func tooWide(p netip.Prefix) string {
	if p.Addr().Is4() {
		return p.String() + " covers more of the internet than a /16, so many attackers could never be blocked"
	}
	return p.String() + " covers more of the internet than a /32, so many attackers could never be blocked"
}

// InForce reports whether the entry allows anything.
func (a AllowItem) InForce(now time.Time) bool {
	return a.Refused() == "" && (a.Until.IsZero() || now.Before(a.Until))
}

// AllowedPrefixes are the prefixes of the entries that are in force. Host names are not
// resolved.
func AllowedPrefixes(items []AllowItem, now time.Time) (list []netip.Prefix) {
	for _, a := range items {
		if a.Prefix.IsValid() && a.InForce(now) {
			list = append(list, a.Prefix)
		}
	}
	return list
}
