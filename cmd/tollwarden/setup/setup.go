package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/check"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// managerUser is the section of manager.conf that setup makes.
const managerUser = "tollwarden"

// Setup is one guided first start.
type Setup struct {
	In     io.Reader // answers
	Out    io.Writer
	Agreed bool // no question is asked
	// Asterisk and Folder are the folders of Asterisk's configuration and of ours,
	// absolute.
	Asterisk, Folder string
	Secret           string // of the new user
	Socket           string // of FreePBX's database; "" is the usual one
	// Reload has Asterisk read manager.conf again; by default its own command does.
	// Its output explains an error.
	Reload func() (output []byte, err error)

	manager managerConf
	found   string // what FreePBX's settings add to the configuration
}

// Run proposes a user in manager.conf and a configuration, writes both if the
// person agrees, and tests them.
func (s *Setup) Run(ctx context.Context) error {
	var err error
	if s.manager, err = readManager(filepath.Join(s.Asterisk, "manager.conf")); err != nil {
		return err
	}
	if s.manager.direct && s.manager.custom {
		return s.move(ctx)
	}
	if err := s.find(); err != nil {
		return err
	}
	s.found = s.detected(ctx)
	stanza, where := s.stanza()
	fmt.Fprintf(s.Out, "Asterisk's manager interface: %s, in %s\n\n", s.manager.address, s.manager.path)
	fmt.Fprintf(s.Out, "1. A user for Tollwarden, in %s:\n\n%s\n\n", where, output.Indent(hideSecret(stanza, s.Secret)))
	fmt.Fprintf(s.Out, "2. A configuration, %s, with the secret in a file of its own:\n\n%s\n", s.config(), output.Indent(s.text()))
	if s.found != "" {
		fmt.Fprintf(s.Out, "Its networks, ports, country, trunks and e-mail address come from FreePBX's settings: check them before you agree.\n\n")
	}
	if !agree(s.In, s.Out, s.Agreed, "Write both, and make Asterisk reload manager.conf?") {
		fmt.Fprintln(s.Out, "Nothing was written.")
		return nil
	}
	if err := s.write(stanza, where); err != nil {
		return err
	}
	if err := s.reload(ctx); err != nil {
		return fmt.Errorf("everything is written, but Asterisk did not reload it: %w: run `asterisk -rx \"manager reload\"`, then %s",
			err, incident.Command("check", "-c", s.config()))
	}
	if err := s.database(ctx); err != nil {
		fmt.Fprintf(s.Out, "\nThe database user was not made: %v.\nUntil `tollwarden setup --database` has made it, a changed password is in force, but FreePBX does not know it.\n", err)
	}
	return s.test(ctx)
}

// database makes the database user where FreePBX is, and the daemon is not root.
func (s *Setup) database(ctx context.Context) error {
	if !isFreePBX(s.Asterisk) || !packaged() {
		return nil
	}
	fmt.Fprintln(s.Out)
	d := Database{In: s.In, Out: s.Out, Agreed: s.Agreed, Asterisk: s.Asterisk}
	return d.Run(ctx)
}

// move takes the user of an earlier setup out of manager.conf, where FreePBX rewrites the
// password of every section when that of its own user changes.
func (s *Setup) move(ctx context.Context) error {
	custom := filepath.Join(s.Asterisk, customManager)
	fmt.Fprintf(s.Out, "[%s] is in %s, where FreePBX may overwrite its password.\n", managerUser, s.manager.path)
	if !agree(s.In, s.Out, s.Agreed, "Move it to "+custom+"?") {
		fmt.Fprintln(s.Out, "Nothing was changed.")
		return nil
	}
	text, err := os.ReadFile(s.manager.path)
	if err != nil {
		return err
	}
	without, cut := moved(text, managerUser)
	if err := appendTo(custom, "\n"+string(cut)); err != nil { // first: with it in both, the user can log in
		return err
	}
	if err := os.WriteFile(s.manager.path, without, 0o640); err != nil { // of its mode and owner
		return err
	}
	if err := s.reload(ctx); err != nil {
		return fmt.Errorf("it is moved, but Asterisk did not reload it: %w: run `asterisk -rx \"manager reload\"`", err)
	}
	fmt.Fprintf(s.Out, "moved. `tollwarden setup --database` makes the database user, `tollwarden check` tests everything.\n")
	return nil
}

// reload has Asterisk read manager.conf.
func (s *Setup) reload(ctx context.Context) error {
	reload := s.Reload
	if reload == nil {
		reload = exec.CommandContext(ctx, "asterisk", "-rx", "manager reload").CombinedOutput
	}
	out, err := reload()
	if err == nil {
		return nil
	}
	return errors.New(cmp.Or(strings.TrimSpace(string(out)), err.Error()))
}

// find refuses what setup must not touch.
func (s *Setup) find() error {
	switch {
	case s.manager.exists:
		return fmt.Errorf("%s already has a section [%s]: write %s by hand (`tollwarden check --reference` prints every key)", s.manager.path, managerUser, s.config())
	case exists(s.config()):
		return fmt.Errorf("%s already exists: `tollwarden check` tests it", s.config())
	case exists(s.secretFile()):
		return fmt.Errorf("%s already exists: move it away first", s.secretFile())
	case !s.manager.enabled:
		return fmt.Errorf("%s: the manager interface is off: set enabled = yes and bindaddr = 127.0.0.1 in [general], run asterisk -rx \"manager reload\", and then setup again", s.manager.path)
	}
	return nil
}

func (s *Setup) config() string     { return filepath.Join(s.Folder, "tollwarden.toml") }
func (s *Setup) secretFile() string { return filepath.Join(s.Folder, "secret") }

// stanza is the user's section and the file for it.
func (s *Setup) stanza() (text, file string) {
	text = pbx.Stanza(managerUser, s.Secret, s.manager.address.Addr(), s.writes())
	if s.manager.folder {
		return text, filepath.Join(s.Asterisk, "manager.d", "tollwarden.conf")
	}
	if s.manager.custom {
		return text, filepath.Join(s.Asterisk, customManager)
	}
	return text, s.manager.path
}

// writes are the write classes that the built-in playbooks need. Removing a
// registration of chan_sip takes a CLI command; the check afterwards says when
// less would do.
func (s *Setup) writes() []string {
	if usesChanSIP(s.Asterisk) {
		return []string{"config", "system", "command"}
	}
	return []string{"config", "system"}
}

// text is the configuration: what differs from the defaults.
func (s *Setup) text() string {
	log, database := "", ""
	if exists(fullLog) && isFreePBX(s.Asterisk) {
		log = fmt.Sprintf("log = %q\n", fullLog)
	}
	if isFreePBX(s.Asterisk) && !packaged() {
		database = "\n[database]\nuser = \"root\"   # without the package, the daemon runs as root\n"
	}
	return "mode = \"observe\"   # decides and records everything, changes nothing; set it to \"enforce\" once you agree with its decisions\n" +
		"\n[asterisk]\n" +
		fmt.Sprintf("address = %q\nusername = %q\nsecret_file = %q\nconfig_dir = %q\n", s.manager.address, managerUser, s.secretFile(), s.Asterisk) + log + database + s.found
}

func hideSecret(text, secret string) string { return strings.ReplaceAll(text, secret, "<random>") }

// agree asks; only y and yes agree. It reads no more than the answer.
func agree(in io.Reader, out io.Writer, agreed bool, question string) bool {
	if agreed {
		return true
	}
	fmt.Fprintf(out, "%s [y/N] ", question)
	answer := readLine(in)
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// readLine reads a line byte by byte: another question may follow.
func readLine(in io.Reader) string {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := in.Read(b)
		if n > 0 && b[0] != '\n' {
			line = append(line, b[0])
		}
		if err != nil || n > 0 && b[0] == '\n' {
			return string(line)
		}
	}
}

// test logs in with what was written.
func (s *Setup) test(ctx context.Context) error {
	cfg, err := settings.Load(s.config())
	if err != nil {
		return err
	}
	var said strings.Builder
	for try := 0; ; try++ { // the reload takes a moment
		said.Reset()
		if err = check.Asterisk(ctx, &said, cfg); err == nil || try == 2 {
			break
		}
		time.Sleep(2 * time.Second) // each failed login adds lines to Asterisk's log
	}
	fmt.Fprintf(s.Out, "\nAsterisk: %s", said.String())
	if err != nil {
		return fmt.Errorf("the test failed: %w", err)
	}
	fmt.Fprintf(s.Out, "\nReady. Start it with: systemctl enable --now tollwarden (without the package: %s);\nsee what it decides with: `tollwarden status`, `tollwarden incidents`.\nOnce you agree, set mode = \"enforce\" in the configuration and restart it.\n", incident.Command("run", "-c", s.config()))
	return nil
}
