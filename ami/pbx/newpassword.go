package pbx

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// newPassword is a password that we have put into a file which a generator leaves to a
// person, over the one in the generated file: lines added to its section. It is there
// until the generated file has it, too, and says itself what must be known then, so that
// it survives whatever becomes of this process.
type newPassword struct {
	account string
	section string
	kind    string // the section's type, or ""
	name    string // of the variable
	value   string
	was     string    // fingerprint of the generated value that it is to replace
	stored  time.Time // when the generator's database got it; zero: not yet
}

// newPasswordMark begins the comment above the lines.
const newPasswordMark = "; by tollwarden, which removes it: "

// notStored stands for a time that has not come.
const notStored = "no"

// text are the lines for the file.
func (p newPassword) text() string {
	stored, filter := notStored, ""
	if !p.stored.IsZero() {
		stored = p.stored.UTC().Format(time.RFC3339)
	}
	if p.kind != "" {
		filter = "type=" + p.kind
	}
	return fmt.Sprintf("\n%snew password of account=%s was=%s in-database=%s\n[%s](+%s)\n%s = %s\n",
		newPasswordMark, url.QueryEscape(p.account), p.was, stored, strings.ReplaceAll(p.section, ";", `\;`), filter, p.name, p.value)
}

// fingerprint of a replaced value. Its key is the new one, which stands beside it: who can
// read that can read the generated file with the replaced value, too.
func (p newPassword) fingerprint(replaced string) string {
	h := hmac.New(sha256.New, []byte(p.value))
	h.Write([]byte(replaced))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// newPasswords are those in the text of a file.
func newPasswords(text []byte) []newPassword {
	var out []newPassword
	lines := strings.SplitAfter(string(text), "\n")
	for i, l := range lines {
		words, ours := strings.CutPrefix(l, newPasswordMark)
		if !ours || i+2 >= len(lines) {
			continue
		}
		parsed := conffile.Parse([]byte(lines[i+1] + lines[i+2]))
		if len(parsed) != 2 || parsed[0].Kind != conffile.Header || parsed[1].Kind != conffile.Variable {
			continue // a person changed it
		}
		p := newPassword{section: parsed[0].Name, name: parsed[1].Name, value: parsed[1].Value}
		for _, o := range parsed[0].Options {
			if kind, ok := strings.CutPrefix(o, "+type="); ok {
				p.kind = kind
			}
		}
		for word := range strings.FieldsSeq(words) {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "account":
				p.account, _ = url.QueryUnescape(value)
			case "was":
				p.was = value
			case "in-database":
				p.stored, _ = time.Parse(time.RFC3339, value)
			}
		}
		out = append(out, p)
	}
	return out
}

// withNewPassword is a file's text with p, in place of an earlier one of its section;
// p.value "" only takes that out.
func withNewPassword(text []byte, p newPassword) []byte {
	s := string(text)
	for _, old := range newPasswords(text) {
		if old.section == p.section && old.kind == p.kind {
			s = strings.Replace(s, old.text(), "", 1)
		}
	}
	if p.value == "" {
		return []byte(s)
	}
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return []byte(s + p.text())
}

// due is what has to become of a newPassword.
type due int

const (
	dueNothing due = iota // the generated file still has the replaced value: it waits
	dueStore              // the same, and the database does not have the new one
	dueRemove             // the generated file has it, too: nothing changes without it
	dueYield              // a person has chosen a third value, or deleted the account
)

// settling is how long a generated file must have been left alone before it is believed:
// a generator may be in the middle of writing it.
const settling = 2 * time.Second

// due compares p with the generated file: its value there, "" when the section is gone,
// and when the file was written.
func (p newPassword) due(generated string, written, now time.Time) due {
	switch {
	case now.Sub(written).Abs() < settling && generated != p.value: // the clock may have been set back
		return dueNothing
	case generated == p.value:
		return dueRemove
	case p.fingerprint(generated) != p.was:
		return dueYield
	case p.stored.IsZero(), written.After(p.stored):
		// Written after the database had it, and still the replaced one: the database has
		// lost it again, as by a restored backup, or the generator had read it before. To
		// store it once more does no harm then.
		return dueStore
	}
	return dueNothing
}

// generatedValue is the value that a section has in the files of a tree, but for what
// continues it, and the file with it; nil if there is no such section.
func (t *tree) generatedValue(p newPassword) (value string, file *confFile) {
	for _, f := range t.files {
		for _, s := range conffile.Sections(f.lines, p.section) {
			types := s.Values(f.lines, "type")
			if s.Header.Adds() || s.Header.Template() || p.kind != "" && !slices.Contains(types, p.kind) {
				continue
			}
			if v := s.Values(f.lines, p.name); len(v) > 0 {
				return v[len(v)-1], f
			}
			return "", f
		}
	}
	return "", nil
}
