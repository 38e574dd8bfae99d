package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// session is a login to Asterisk's manager interface for the proofs that need one.
type session struct {
	client  *ami.Client
	dialer  *ami.Dialer
	manager *pbx.Manager
	may     pbx.Privileges
	console console
	heard   *listener
	marker  string
	sent    bool // Asterisk refused a login with the marker as the name, which it logs
}

// logIn opens a session, asking for the events that the daemon asks for.
func logIn(ctx context.Context, cfg *config.Config) (*session, error) {
	dialer, err := settings.Dialer(cfg, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	options, err := settings.PBX(cfg)
	if err != nil {
		return nil, err
	}
	s := &session{dialer: dialer, marker: newMarker()}
	s.heard = newListener(s.marker)
	dialer.Events, dialer.Handle = "security,call", s.heard.handle
	if s.client, err = dialer.Connect(ctx); err != nil {
		return nil, err
	}
	s.manager = pbx.New(s.client, options)
	if s.may, err = s.manager.Privileges(ctx); err != nil {
		_ = s.client.Close()
		return nil, err
	}
	s.console = consoleOf(s.client, s.may, cfg)
	return s, nil
}

// notLoggedIn says why there is no session, as far as Asterisk's files here show it, and
// what helps.
func notLoggedIn(ctx context.Context, cfg *config.Config, o Options, err error) Result {
	conf, readErr := conffile.Load(cfg.Asterisk.ConfigDir, managerConf)
	here := readErr == nil && isHere(cfg.Asterisk.Address)
	manager := sectionFile(cfg.Asterisk.ConfigDir, managerConf, "general")
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && !here:
		return failed("%v", err).fix("systemctl start asterisk")
	case errors.Is(err, syscall.ECONNREFUSED) && !conffile.True(conf.Value("general", "enabled")):
		return failed("nothing listens at %s: the manager interface is switched off in %s", cfg.Asterisk.Address, manager).
			fix(setVariable(manager, "general", "enabled", "yes") + " && " + reload("manager"))
	case errors.Is(err, syscall.ECONNREFUSED) && !sameAddress(managerAddress(conf), cfg.Asterisk.Address):
		r := failed("nothing listens at %s: %s has the manager interface at %s", cfg.Asterisk.Address, manager, managerAddress(conf))
		return r.fix(setKey(o.file(), "asterisk", "address", strconv.Quote(managerAddress(conf))))
	case errors.Is(err, syscall.ECONNREFUSED):
		if _, err := localConsole(cfg.Asterisk.ConfigDir)(ctx, "core show uptime"); err == nil {
			return failed("Asterisk runs, but does not listen at %s, as %s has it: it has not read that again; if a reload does not help, restart Asterisk", cfg.Asterisk.Address, manager).
				fix(reload("manager"))
		}
		return failed("nothing listens at %s, although %s has the manager interface there, so Asterisk does not run", cfg.Asterisk.Address, manager).fix("systemctl start asterisk")
	case errors.Is(err, ami.ErrAuth) && here:
		return wrongLogin(cfg, o, conf, err)
	}
	return failed("%v", err)
}

// wrongLogin says why Asterisk refuses our user.
func wrongLogin(cfg *config.Config, o Options, conf *conffile.Config, err error) Result {
	user := cfg.Asterisk.Username
	path := sectionFile(cfg.Asterisk.ConfigDir, managerConf, user)
	secret := conf.Value(user, "secret")
	switch {
	case !conf.Has(user):
		return failed("%v: %s has no section [%s]", err, path, user).fix("tollwarden setup")
	case secret != string(cfg.Asterisk.Secret):
		return failed("%v: the secret in %s is another one", err, path).fix(copySecret(path, user, o.file()))
	}
	return failed("%v: username and secret are those of %s, so Asterisk has not read it again, or permit does not name this machine", err, path).
		fix(reload("manager"))
}

// copySecret is a command that takes the secret from Asterisk's file without showing it.
func copySecret(from, user, file string) string {
	read := "sed -n " + quote(`/^\[`+inPattern(user)+`\]/,/^\[/s/^[[:space:]]*secret[[:space:]]*=[>[:space:]]*//p`) + " " + quote(from)
	if path := secretFile(file); path != "" {
		return read + " > " + quote(path)
	}
	return fmt.Sprintf(`sed -i "/^\[asterisk\]/,/^\[/s|^secret *=.*|secret = \"$(%s)\"|" %s`, read, quote(file))
}

// secretFile is the value of asterisk.secret_file in a configuration, or "".
func secretFile(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(name) == "secret_file" {
			value, _, _ = strings.Cut(value, "#")
			return strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return ""
}

// isHere says whether an address is one of this machine's loopback addresses.
func isHere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// managerAddress is where manager.conf has the manager interface, for a program on this
// machine.
func managerAddress(conf *conffile.Config) string {
	host, port := "127.0.0.1", "5038"
	if p := conf.Value("general", "port"); p != "" {
		port = p
	}
	if a, err := netip.ParseAddr(strings.Trim(conf.Value("general", "bindaddr"), "[]")); err == nil && !a.IsUnspecified() {
		host = a.String()
	}
	return net.JoinHostPort(host, port)
}

// sameAddress says whether two addresses lead to the same place, of which one may have a name.
func sameAddress(a, b string) bool {
	return strings.Replace(a, "localhost:", "127.0.0.1:", 1) == strings.Replace(b, "localhost:", "127.0.0.1:", 1)
}

// file is where the configuration is.
func (o Options) file() string {
	if o.File == "" {
		return "/etc/tollwarden/tollwarden.toml"
	}
	return o.File
}
