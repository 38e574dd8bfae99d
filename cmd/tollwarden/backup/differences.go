package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// Here is the host that a backup comes to.
type Here struct {
	Host      string
	Addresses []netip.Addr
}

// Differences says in sentences, one each, what a person has to look at on this host:
// what the configuration names and what is not here, and where the hosts differ.
// config is where the configuration will be.
func (b *Backup) Differences(config string, here Here) (list []string, err error) {
	l, err := b.layout(config)
	if err != nil {
		return nil, err
	}
	say := func(text string, args ...any) { list = append(list, fmt.Sprintf(text, args...)) }
	m := &b.Manifest
	if !sameHost(m, here) {
		say("the backup is from %s (%s), this is %s (%s)", m.Host, addresses(m.Addresses), here.Host, addresses(here.Addresses))
	}
	for _, a := range m.Addresses {
		if !slices.Contains(here.Addresses, a) && b.names(a) {
			say("the configuration or the allow list names %s, an address of the old host", a)
		}
	}
	if host, _, found := strings.Cut(l.Asterisk.Address, ":"); found {
		if a, err := netip.ParseAddr(host); err == nil && slices.Contains(m.Addresses, a) && !a.IsLoopback() && !slices.Contains(here.Addresses, a) {
			say("asterisk.address is %s, on the old host", l.Asterisk.Address)
		}
	}
	for _, p := range []struct{ key, path, role string }{
		{"asterisk.config_dir", l.Asterisk.ConfigDir, ""},
		{"asterisk.log", l.Asterisk.Log, ""},
		{"asterisk.tls_ca", l.Asterisk.TLSCA, ""},
		{"asterisk.secret_file", l.Asterisk.SecretFile, roleAMISecret},
		{"notify.mail.password_file", l.Notify.Mail.PasswordFile, roleMailPassword},
		{"notify.mail.ca", l.Notify.Mail.CA, ""},
		{"notify.syslog", l.Notify.Syslog, ""},
		{"database.socket", l.Database.Socket, ""},
		{"rotate.exec", first(l.Rotate.Exec), ""},
		{"exec.command", first(l.Exec.Command), ""},
	} {
		path := strings.TrimPrefix(p.path, "unix:")
		if path == "" || p.role != "" && m.find(p.role) != nil {
			continue
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			say("%s is %s, which is not on this host%s", p.key, path, missingSecret(p.role))
		}
	}
	if user := l.Asterisk.Username; user != "" && !managerKnows(l.Asterisk.ConfigDir, user) {
		say("%s has no user [%s]: make it with the secret of the configuration; `tollwarden check` prints its section", filepath.Join(l.Asterisk.ConfigDir, "manager.conf"), user)
	}
	if !slices.ContainsFunc(m.Files, func(f File) bool { return isPassword(f.Role) }) {
		if _, err := os.Stat(l.Rotate.Store); err != nil {
			say("the backup has no file of the passwords that Tollwarden has set (--secrets): they cannot be shown here")
		}
	}
	return list, nil
}

func missingSecret(role string) string {
	if role == "" {
		return ""
	}
	return ": the backup was made without --secrets"
}

// names says whether the configuration or the allow list has an address in words.
func (b *Backup) names(a netip.Addr) bool {
	for _, role := range []string{roleConfig, roleAllow} {
		path := b.file(role)
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune(" \t\n\",[]#/=", r) }) {
			if got, err := netip.ParseAddr(word); err == nil && got == a && !a.IsLoopback() && !a.IsUnspecified() {
				return true
			}
		}
	}
	return false
}

func sameHost(m *Manifest, here Here) bool {
	return m.Host == here.Host && slices.Equal(outside(m.Addresses), outside(here.Addresses))
}

// outside are the addresses that others reach.
func outside(list []netip.Addr) (out []netip.Addr) {
	for _, a := range list {
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func addresses(list []netip.Addr) string {
	var words []string
	for _, a := range outside(list) {
		words = append(words, a.String())
	}
	if len(words) == 0 {
		return "no address"
	}
	return strings.Join(words, ", ")
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// managerKnows says whether manager.conf, or a file that it includes, has a section called
// user. A manager.conf that cannot be read may have one.
func managerKnows(dir, user string) bool {
	conf, err := conffile.Load(dir, "manager.conf")
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return conf.Has(user)
}
