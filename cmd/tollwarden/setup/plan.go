package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// change is one thing that setup will do.
type change struct {
	what   string // for the summary
	detail string // lines to be shown below it, or ""
	run    func(ctx context.Context, r *record) error
}

// What has to be read again after a change.
const (
	reloadManager  = "manager reload"
	reloadLogger   = "logger reload"
	reloadFail2ban = "fail2ban"
)

// plan is what has to be done for answers. current are those in force, nil without a
// configuration.
func (s *Setup) plan(f *site, a, current Answers) (list []change, err error) {
	if current == nil {
		list, err = s.firstConfiguration(f, a)
	} else {
		list, err = s.changedConfiguration(f, a, current)
	}
	if err != nil {
		return nil, err
	}
	if !f.manager.enabled && a.one("manager") == yes {
		list = append(list, s.turnOn(f))
	}
	if !f.manager.exists {
		list = append(list, s.user(f))
	}
	if a.one("log") == logAdd {
		list = append(list, s.ownLog(f)...)
	}
	if len(f.jails) > 0 && a.one("fail2ban") == "off" {
		list = append(list, turnJailsOff(f, s.path(jailsFile)))
	}
	return list, nil
}

// path is where a file of the system is; tests have a root of their own.
func (s *Setup) path(file string) string { return filepath.Join(s.Root, file) }

func (s *Setup) config() string     { return filepath.Join(s.Folder, "tollwarden.toml") }
func (s *Setup) secretFile() string { return filepath.Join(s.Folder, "secret") }

func ours(path string) error { return give(path, managerUser) }

func readable(path string) error { return os.Chmod(path, 0o644) }

// firstConfiguration makes the configuration and the file with the secret. A secret that is
// there from an earlier setup goes on being used.
func (s *Setup) firstConfiguration(f *site, a Answers) ([]change, error) {
	text, err := s.newConfiguration(f, a)
	if err != nil {
		return nil, err
	}
	if _, err := config.Parse(s.config(), checkable(text, s.secretFile()), config.Env{Getenv: os.Getenv}); err != nil {
		return nil, err
	}
	write := func(path, what, text string) change {
		return change{what: what + ", " + path, run: func(_ context.Context, r *record) error {
			return r.file(entry{What: what, Path: path, Ours: true}, ours, func([]byte) ([]byte, error) { return []byte(text), nil })
		}}
	}
	c := write(s.config(), "Tollwarden's configuration", string(text))
	c.detail = strings.TrimSpace(string(text))
	return []change{write(s.secretFile(), "a random secret for the manager interface", s.Secret+"\n"), c}, nil
}

// checkable is a configuration that can be parsed before its secret's file is there.
func checkable(text []byte, secretFile string) []byte {
	return []byte(strings.Replace(string(text), fmt.Sprintf("secret_file = %q", secretFile), `secret = "x"`, 1))
}

// changedConfiguration changes the keys whose answers differ.
func (s *Setup) changedConfiguration(f *site, a, current Answers) ([]change, error) {
	before, after := settingsOf(f, current), settingsOf(f, a)
	text, err := os.ReadFile(s.config())
	if err != nil {
		return nil, err
	}
	changed, err := apply(text, before, after)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.config(), err)
	}
	if string(changed) == string(text) {
		return nil, nil
	}
	if _, err := settings.Parse(s.config(), changed); err != nil {
		return nil, err
	}
	return []change{{
		what: "changes to " + s.config(), detail: changedLines(string(text), string(changed)),
		run: func(context.Context, *record) error { return os.WriteFile(s.config(), changed, 0o600) }, // its mode and owner stay
	}}, nil
}

// changedLines are the lines that differ, with "-" and "+".
func changedLines(before, after string) string {
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	count := map[string]int{}
	for _, l := range old {
		count[l]++
	}
	var lines []string
	for _, l := range now {
		if count[l]--; count[l] < 0 {
			lines = append(lines, "+ "+l)
		}
	}
	gone := map[string]int{}
	for _, l := range now {
		gone[l]++
	}
	var first []string
	for _, l := range old {
		if gone[l]--; gone[l] < 0 {
			first = append(first, "- "+l)
		}
	}
	return strings.Join(append(first, lines...), "\n")
}

// managerFile is where a person's sections of manager.conf belong.
func (f *site) managerFile() string {
	switch {
	case f.manager.folder:
		return filepath.Join(f.etc, "manager.d", "tollwarden.conf")
	case f.manager.custom:
		return filepath.Join(f.etc, customManager)
	}
	return f.manager.path
}

// managerAddress is where the manager interface answers once it is on.
func (f *site) managerAddress() string {
	if f.manager.enabled {
		return f.manager.address.String()
	}
	return fmt.Sprintf("127.0.0.1:%d", f.manager.address.Port())
}

// turnOn switches the manager interface on, for this machine alone.
func (s *Setup) turnOn(f *site) change {
	path := f.managerFile()
	block := "[general](+) ; tollwarden setup\nenabled = yes\nbindaddr = 127.0.0.1\n"
	return change{what: "the manager interface on, for 127.0.0.1 only, in " + path, run: func(_ context.Context, r *record) error {
		return r.file(entry{What: "manager interface on", Path: path, Reload: reloadManager}, f.asAsterisks, appending(block))
	}}
}

// user makes the user of the manager interface.
func (s *Setup) user(f *site) change {
	path := f.managerFile()
	address := f.manager.address.Addr()
	if !f.manager.enabled {
		address = f.manager.loopback()
	}
	stanza := pbx.Stanza(managerUser, s.Secret, address, f.writes())
	return change{
		what: fmt.Sprintf("a user [%s] of the manager interface, in %s", managerUser, path), detail: strings.TrimSpace(hideSecret(stanza, s.Secret)),
		run: func(_ context.Context, r *record) error {
			return r.file(entry{What: "user [" + managerUser + "]", Path: path, Section: managerUser, Reload: reloadManager}, f.asAsterisks, appending(stanza))
		},
	}
}

func hideSecret(text, secret string) string { return strings.ReplaceAll(text, secret, "<random>") }

// appending adds a block behind a text, after a blank line.
func appending(block string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		if len(text) == 0 {
			return []byte(block), nil
		}
		return []byte(string(text) + newlineUnless(text) + "\n" + block), nil
	}
}

// asAsterisks gives a new file to Asterisk, which has to read it.
func (f *site) asAsterisks(path string) error { return copyOwner(f.manager.path, path) }

// writes are the write classes that the built-in playbooks need. Removing a registration of
// chan_sip takes a command of Asterisk's command line; the check afterwards says when less
// would do.
func (f *site) writes() []string {
	if usesChanSIP(f.etc) {
		return []string{"config", "system", "command"}
	}
	return []string{"config", "system"}
}

// ownLog has Asterisk write a log for Tollwarden, and logrotate bound it.
func (s *Setup) ownLog(f *site) []change {
	if _, list := logFiles(f.etc); slices.ContainsFunc(list, func(l logFile) bool { return l.name == ourLog }) {
		return nil // from an earlier setup
	}
	path, included := filepath.Join(f.etc, "logger.conf"), false
	if custom := filepath.Join(f.etc, customLogs); exists(custom) && includes(f.etc, "logger.conf", customLogs) {
		path, included = custom, true
	}
	log := f.onHost(filepath.Join(f.logFolder, ourLog))
	list := []change{{what: "a log of Asterisk's for Tollwarden, " + log + ", in " + path, run: func(_ context.Context, r *record) error {
		return r.file(entry{What: "log of Asterisk's", Path: path, Reload: reloadLogger}, f.asAsterisks, func(text []byte) ([]byte, error) { return withLog(text, included), nil })
	}}}
	if folder := s.path("/etc/logrotate.d"); exists(folder) && f.logLasts() {
		rotate := filepath.Join(folder, "tollwarden-asterisk")
		list = append(list, change{what: "its rotation, " + rotate, run: func(_ context.Context, r *record) error {
			return r.file(entry{What: "rotation of that log", Path: rotate}, readable, func([]byte) ([]byte, error) { return []byte(rotation(log, f.cliText(reloadLogger))), nil })
		}})
	}
	return list
}

// rotation is what logrotate has to know about our log.
func rotation(log, reload string) string {
	return log + " {\n\tweekly\n\tmaxsize 20M\n\trotate 4\n\tcompress\n\tdelaycompress\n\tmissingok\n\tnotifempty\n\tpostrotate\n\t\t" + reload + " >/dev/null 2>&1 || true\n\tendscript\n}\n"
}

// turnJailsOff keeps fail2ban's jails for Asterisk off, also after its restart.
func turnJailsOff(f *site, path string) change {
	return change{what: "fail2ban's jails for Asterisk off (" + strings.Join(f.jails, ", ") + "), in " + path, run: func(_ context.Context, r *record) error {
		return r.file(entry{What: "fail2ban's jails for Asterisk off", Path: path, Reload: reloadFail2ban}, readable, func([]byte) ([]byte, error) { return []byte(jailsText(f.jails)), nil })
	}}
}

// reloadAll has programs read again what has changed. What fails is named, with the command.
func (s *Setup) reloadAll(ctx context.Context, f site, what map[string]bool) (failed bool) {
	for _, name := range []string{reloadManager, reloadLogger} {
		if !what[name] {
			continue
		}
		if out, err := s.cli(ctx, f, name); err != nil {
			failed = true
			fmt.Fprintf(s.Out, "Asterisk did not reload it: %s: run `%s`.\n", explain(out, err), f.cliText(name))
		}
	}
	if what[reloadFail2ban] {
		if out, err := s.Run(ctx, "fail2ban-client", "reload"); err != nil {
			failed = true
			fmt.Fprintf(s.Out, "fail2ban did not reload: %s: run `fail2ban-client reload`.\n", explain(out, err))
		}
	}
	return failed
}

// explain is what a command said of its failure.
func explain(out []byte, err error) string {
	if text := strings.TrimSpace(string(out)); text != "" {
		return text
	}
	return err.Error()
}

// databaseUser makes the database user where FreePBX is and the daemon is not root, and
// notes that.
func (s *Setup) databaseUser(ctx context.Context, f *site, r *record) error {
	if !f.freePBX || !packaged() {
		return nil
	}
	d := Database{In: s.In, Out: s.Out, Agreed: true, Asterisk: f.etc, Record: r, Options: mariadb.Options{Socket: s.Socket}}
	return d.Run(ctx)
}
