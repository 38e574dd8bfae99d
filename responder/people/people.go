// Package people holds the names and e-mail addresses that the PBX's configuration
// gives the people behind its accounts. They are for people to read: nothing is decided
// by a name, and an account stays the key of everything.
package people

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what a configuration can make Tollwarden keep and print.
const (
	// MaxPeople bounds the accounts with a name or an address.
	MaxPeople = 20_000
	maxName   = 60  // runes; Asterisk itself cuts a caller ID's name at 80 bytes
	maxEmail  = 254 // bytes (RFC 5321, section 4.5.3.1.3)
	maxEmails = 3   // addresses of one person
)

// Person is who an account belongs to, as the configuration says. It is text from
// outside until it is in a Directory.
type Person struct {
	Account string
	Name    string   // such as "Front desk"; "" if there is none
	Emails  []string // where the person reads e-mail
}

// Directory is who the accounts belong to. The zero Directory, and nil, know nobody. It
// does not change, so it may be used from any goroutine.
type Directory struct{ people map[string]Person }

// NewDirectory makes a directory of what a configuration says. Of an account that is
// listed twice, the first name and the first addresses count.
func NewDirectory(list []Person) *Directory {
	d := &Directory{people: make(map[string]Person, min(len(list), MaxPeople))}
	for _, p := range list {
		was, known := d.people[p.Account]
		if !known && len(d.people) >= MaxPeople {
			continue
		}
		if was.Name == "" {
			was.Name = cleanName(p.Account, p.Name)
		}
		if len(was.Emails) == 0 {
			was.Emails = cleanEmails(p.Emails)
		}
		if was.Name == "" && len(was.Emails) == 0 {
			continue
		}
		was.Account = strings.Clone(p.Account)
		d.people[was.Account] = was
	}
	return d
}

// Name is the name of an account's person, in one line that is safe to print; "" if there
// is none.
func (d *Directory) Name(account string) string { return d.person(account).Name }

// Emails are the addresses of an account's person; the caller must not change them.
func (d *Directory) Emails(account string) []string { return d.person(account).Emails }

// Len is how many accounts have a name or an address.
func (d *Directory) Len() int {
	if d == nil {
		return 0
	}
	return len(d.people)
}

// WithEmail is how many accounts have an address.
func (d *Directory) WithEmail() (n int) {
	if d == nil {
		return 0
	}
	for _, p := range d.people {
		if len(p.Emails) > 0 {
			n++
		}
	}
	return n
}

func (d *Directory) person(account string) Person {
	if d == nil {
		return Person{}
	}
	return d.people[account]
}

// Title is an account with its name, as in "1006 Front desk".
func Title(account, name string) string {
	if account == "" || name == "" {
		return account
	}
	return account + " " + name
}

// cleanName makes a name one short line of printable characters. What only repeats the
// account, and the word that FreePBX writes in place of a name, is none.
func cleanName(account, name string) string {
	name = strings.Join(strings.Fields(strings.Map(printable, name)), " ")
	if n := utf8.RuneCountInString(name); n > maxName {
		name = strings.TrimSpace(string([]rune(name)[:maxName-1])) + "…"
	}
	if name == account || strings.EqualFold(name, "device") {
		return ""
	}
	return name
}

// printable turns what does not print, or changes the direction of text, into a space.
func printable(r rune) rune {
	if r == utf8.RuneError || !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// cleanEmails keeps plain addresses, without a display name.
func cleanEmails(list []string) (out []string) {
	for _, text := range list {
		text = strings.TrimSpace(text)
		if len(text) > maxEmail || len(out) == maxEmails || strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
			continue
		}
		if a, err := mail.ParseAddress(text); err == nil && a.Name == "" && a.Address == text {
			out = append(out, strings.Clone(text))
		}
	}
	return out
}
