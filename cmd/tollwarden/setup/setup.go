package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/check"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// managerUser is the section of manager.conf that setup makes, and the system's user that
// the packages make.
const managerUser = "tollwarden"

// Runner runs a program and returns what it prints.
type Runner func(ctx context.Context, name string, args ...string) (output []byte, err error)

// runWithin bounds a program that does not answer.
const runWithin = 30 * time.Second

// System runs the programs of this machine.
func System(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	return exec.CommandContext(ctx, name, args...).CombinedOutput()
}

// Setup is one conversation.
type Setup struct {
	In     io.Reader // answers
	Out    io.Writer
	Agreed bool    // nothing is asked
	Given  Answers // are not asked
	// Asterisk and Folder are the folders of Asterisk's configuration and of ours,
	// absolute.
	Asterisk, Folder string
	Secret           string // of the new user
	Socket           string // of FreePBX's database; "" is the usual one
	Run              Runner
	Proc             string        // where /proc is mounted
	Root             string        // where the system's files are, "/"
	Within           time.Duration // that the proof may take; 0 is a minute
}

// Go asks, shows what will be done, does it if the person agrees, starts the service and
// proves that it works.
func (s *Setup) Go(ctx context.Context) error {
	f, err := s.find(ctx)
	if err != nil {
		return err
	}
	wasMoved := f.manager.direct && f.manager.custom
	if wasMoved {
		if err := s.move(ctx, &f); err != nil {
			return err
		}
	}
	cfg, current, err := s.current()
	if err != nil {
		return err
	}
	if wasMoved && cfg == nil {
		fmt.Fprintln(s.Out, "`tollwarden setup --database` makes the database user, `tollwarden check` tests everything.")
		return nil
	}
	if f.manager.exists && cfg == nil {
		return fmt.Errorf("%s already has a section [%s], and %s is not there: `tollwarden setup --undo` removes the section, or write the configuration by hand (`tollwarden check --reference` prints every key)", f.manager.path, managerUser, s.config())
	}
	if own := f.logPath(logAdd); current.one("log") == own {
		current["log"] = []string{logAdd} // its line may be gone
	}
	s.introduce(&f, current != nil)
	a, err := s.interview(&f, s.Given, current)
	if errors.Is(err, errAborted) {
		fmt.Fprintln(s.Out, "Nothing was written. `tollwarden setup` asks again.")
		return nil
	}
	if err != nil {
		return err
	}
	if !f.manager.enabled && a.one("manager") != yes {
		return fmt.Errorf("%s: the manager interface is off, and Tollwarden needs it: answer \"yes\", or set enabled = yes and bindaddr = 127.0.0.1 in [general] and run `%s`", f.manager.path, f.cliText(reloadManager))
	}
	list, err := s.plan(&f, a, current)
	if err != nil {
		return err
	}
	s.summary(&f, a, list)
	if !agree(s.In, s.Out, s.Agreed, s.agreement(list, a)) {
		fmt.Fprintln(s.Out, "Nothing was written. `tollwarden setup` asks again.")
		return nil
	}
	return s.carryOut(ctx, &f, a, list)
}

// current is the configuration in force and its answers; nil without one. A secret that is
// there goes on being used.
func (s *Setup) current() (*config.Config, Answers, error) {
	data, err := os.ReadFile(s.config())
	if errors.Is(err, os.ErrNotExist) {
		if exists(s.secretFile()) {
			return nil, nil, fmt.Errorf("%s already exists, without a configuration: move it away first", s.secretFile())
		}
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	cfg, err := settings.Load(s.config())
	if err != nil {
		return nil, nil, fmt.Errorf("the configuration that is there has an error, mend it first: %w", err)
	}
	s.Secret = string(cfg.Asterisk.Secret)
	return cfg, answersOf(cfg, data), nil
}

// introduce says what was found.
func (s *Setup) introduce(f *site, again bool) {
	kind := "Asterisk"
	if f.freePBX {
		kind = "FreePBX or Issabel, with its Asterisk"
	}
	fmt.Fprintf(s.Out, "Found %s in %s.\n", kind, f.etc)
	for _, line := range f.differs() {
		fmt.Fprintln(s.Out, line)
	}
	if f.database != "" {
		fmt.Fprintf(s.Out, "Some of FreePBX's settings could not be read, such as the networks that its firewall trusts: %s\n", f.database)
	}
	switch {
	case s.Agreed:
	case again:
		fmt.Fprintln(s.Out, "Tollwarden is set up already: Enter leaves a setting as it is.")
	default:
		fmt.Fprintln(s.Out, "A few questions follow: Enter takes the answer in brackets. Nothing is changed before you agree at the end.")
	}
}

// summary shows what will be done.
func (s *Setup) summary(f *site, a Answers, list []change) {
	if len(list) == 0 {
		fmt.Fprintln(s.Out, "\nNo setting has changed.")
		return
	}
	fmt.Fprintln(s.Out, "\nThis will be written:")
	for i, c := range list {
		fmt.Fprintf(s.Out, "\n%d. %s\n", i+1, c.what)
		if c.detail != "" {
			fmt.Fprintf(s.Out, "\n%s\n", output.Indent(c.detail))
		}
	}
	if f.freePBX && packaged() {
		fmt.Fprintf(s.Out, "\n%d. a database user, so that FreePBX learns of changed passwords\n", len(list)+1)
	}
	fmt.Fprintln(s.Out, "\n`tollwarden setup --undo` takes all of this back.")
}

func (s *Setup) agreement(list []change, a Answers) string {
	what := "Write this"
	if len(list) == 0 {
		what = "Go on"
	}
	if a.one("start") == yes && s.hasService() {
		return what + " and start Tollwarden?"
	}
	return what + "?"
}

// carryOut writes, starts and proves.
func (s *Setup) carryOut(ctx context.Context, f *site, a Answers, list []change) error {
	if err := os.MkdirAll(s.Folder, 0o755); err != nil {
		return err
	}
	r, err := openRecord(s.Folder)
	if err != nil {
		return err
	}
	first := len(r.Entries)
	for _, c := range list {
		if err := c.run(ctx, r); err != nil {
			return fmt.Errorf("write %s: %w: `tollwarden setup --undo` takes back what was written", c.what, err)
		}
		fmt.Fprintf(s.Out, "written: %s\n", c.what)
	}
	reloads := map[string]bool{}
	for _, e := range r.Entries[first:] {
		reloads[e.Reload] = true
	}
	if s.reloadAll(ctx, *f, reloads) && reloads[reloadManager] {
		return errors.New("everything is written, but Asterisk did not reload it: run the command above, then `tollwarden setup` again")
	}
	if err := s.databaseUser(ctx, f, r); err != nil {
		fmt.Fprintf(s.Out, "The database user was not made: %v.\nUntil `tollwarden setup --database` has made it, a changed password is in force, but FreePBX does not know it.\n", err)
	}
	cfg, err := settings.Load(s.config())
	if err != nil {
		return err
	}
	if err := s.test(ctx, cfg); err != nil {
		return err
	}
	s.remind(f, a)
	running, err := s.start(ctx, r, cfg, a.one("start") == yes, len(list) > 0)
	if err != nil {
		return err
	}
	if !running {
		fmt.Fprintf(s.Out, "Then %s shows that it works.\n", incident.Command("setup", "--prove"))
		s.strangers(ctx, f, a, nil)
		return nil
	}
	if err := s.Prove(ctx, cfg); err != nil {
		return err
	}
	s.strangers(ctx, f, a, control.Dial(cfg.Socket))
	return nil
}

// remind names what only a person can do.
func (s *Setup) remind(f *site, a Answers) {
	if a.one("guests") == "refuse" {
		fmt.Fprintf(s.Out, "\nTo turn calls without a password off: %s\n", f.guestsOff)
	}
	if len(a["mail_to"]) > 0 || a.one("webhook") != "" {
		fmt.Fprintln(s.Out, "\n`tollwarden check --notify` sends you a test message.")
	} else {
		fmt.Fprintln(s.Out, "\nNobody gets a message when something happens: `tollwarden setup` can change that.")
	}
	if f.etc != usualFolder && s.hasService() {
		fmt.Fprintf(s.Out, "\nAsterisk's files are not in %s. So that the service may change a stolen password there, run:\n  systemctl edit tollwarden   (add the lines: [Service] and ReadWritePaths=%s)\n  setfacl -m user:%s:rwx %s\n", usualFolder, f.etc, managerUser, f.etc)
	}
}

// strangers says what to do about those who are signed in and are not the person's, and
// offers to do it.
func (s *Setup) strangers(ctx context.Context, f *site, a Answers, daemon *control.Client) {
	if len(a["not_ours"]) == 0 {
		return
	}
	var extensions []string
	var addresses []netip.Addr
	for _, r := range f.registered {
		if slices.Contains(a["not_ours"], r.extension) || slices.Contains(a["not_ours"], r.address.String()) {
			if !slices.Contains(extensions, r.extension) {
				extensions = append(extensions, r.extension)
			}
			if !slices.Contains(addresses, r.address) {
				addresses = append(addresses, r.address)
			}
		}
	}
	fmt.Fprintln(s.Out, "\nSomebody else is signed in. Their password is stolen. To throw them out:")
	for _, e := range extensions {
		fmt.Fprintf(s.Out, "  %s\n  %s\n", typed(incident.AccountCommand("rotate", e, "--expire")), typed(incident.AccountCommand("hangup", e)))
	}
	for _, ip := range addresses {
		fmt.Fprintf(s.Out, "  %s\n", typed(incident.Command("ban", ip.String(), "--for", "30d", "--reason", "not ours")))
	}
	if daemon == nil || s.Agreed || !agree(s.In, s.Out, false, "Do that now? The extension's own phone needs the new password then (`tollwarden secret EXTENSION` shows it).") {
		return
	}
	said := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(s.Out, "  %s: %v\n", what, err)
			return
		}
		fmt.Fprintf(s.Out, "  %s: done\n", what)
	}
	for _, e := range extensions {
		_, err := daemon.Rotate(ctx, control.AccountOrder{Account: e, Expire: true})
		said("new password of "+e, err)
		_, err = daemon.Hangup(ctx, control.AccountOrder{Account: e})
		said("calls of "+e+" ended", err)
	}
	for _, ip := range addresses {
		_, err := daemon.Ban(ctx, control.BanOrder{Prefix: netip.PrefixFrom(ip, ip.BitLen()), For: "30d", Reason: "not ours", Operator: f.here, Sessions: f.operators})
		said(ip.String()+" blocked", err)
	}
}

// typed is a command without its quotes.
func typed(command string) string { return strings.Trim(command, "`") }

// move takes the user of an earlier setup out of manager.conf, where FreePBX rewrites the
// password of every section when that of its own user changes.
func (s *Setup) move(ctx context.Context, f *site) error {
	custom := filepath.Join(f.etc, customManager)
	fmt.Fprintf(s.Out, "[%s] is in %s, where FreePBX may overwrite its password.\n", managerUser, f.manager.path)
	if !agree(s.In, s.Out, s.Agreed, "Move it to "+custom+"?") {
		return nil
	}
	text, err := os.ReadFile(f.manager.path)
	if err != nil {
		return err
	}
	rest, cut := moved(text, managerUser)
	before, err := os.ReadFile(custom)
	if err != nil {
		return err
	}
	after := string(before) + newlineUnless(before) + string(cut)
	if err := os.WriteFile(custom, []byte(after), 0o640); err != nil { // first: with it in both, the user can log in
		return err
	}
	if err := os.WriteFile(f.manager.path, rest, 0o640); err != nil { // of its mode and owner
		return err
	}
	if s.reloadAll(ctx, *f, map[string]bool{reloadManager: true}) {
		return errors.New("the section is moved, but Asterisk did not reload it: run the command above, then `tollwarden setup` again")
	}
	f.manager.direct = false
	fmt.Fprintln(s.Out, "moved.")
	return nil
}

// test logs in with what was written.
func (s *Setup) test(ctx context.Context, cfg *config.Config) error {
	var said strings.Builder
	var err error
	for try := 0; ; try++ { // the reload takes a moment
		said.Reset()
		if err = check.Asterisk(ctx, &said, cfg); err == nil || try == 2 {
			break
		}
		time.Sleep(2 * time.Second) // each failed login adds lines to Asterisk's log
	}
	if err != nil {
		return fmt.Errorf("%s\nthe login to Asterisk's manager interface does not work yet: %w", strings.TrimSpace(said.String()), err)
	}
	fmt.Fprintln(s.Out, "The login to Asterisk works, and everything that is needed is permitted.")
	return nil
}
