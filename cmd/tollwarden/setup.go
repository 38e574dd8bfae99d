package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

func newSetup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "setup", Short: "Set Tollwarden up beside the Asterisk on this machine", Args: args(cobra.NoArgs),
		Long: "Set Tollwarden up beside the Asterisk on this machine: find manager.conf, propose a user\n" +
			"in it and a configuration in mode observe, and test both. Nothing is written before you\n" +
			"have agreed, and nothing that is there is written over.",
	}
	asterisk := cmd.Flags().String("asterisk", "/etc/asterisk", "Asterisk's configuration `FOLDER`")
	folder := cmd.Flags().String("folder", "/etc/tollwarden", "the `FOLDER` for our own configuration")
	agreed := cmd.Flags().Bool("yes", false, "agree to everything")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s := setup{out: cmd.OutOrStdout(), in: bufio.NewReader(cmd.InOrStdin()), agreed: *agreed, secret: rand.Text()}
		var err, ferr error // the daemon runs in another folder than this one
		s.asterisk, err = filepath.Abs(*asterisk)
		s.folder, ferr = filepath.Abs(*folder)
		if err := errors.Join(err, ferr); err != nil {
			return err
		}
		return s.run(cmd.Context())
	}
	return cmd
}

// managerUser is the section of manager.conf that setup makes.
const managerUser = "tollwarden"

// setup is one guided first start.
type setup struct {
	out              io.Writer
	in               *bufio.Reader
	agreed           bool
	asterisk, folder string
	secret           string
	manager          managerConf
}

func (s *setup) run(ctx context.Context) error {
	if err := s.find(); err != nil {
		return err
	}
	stanza, where := s.stanza()
	fmt.Fprintf(s.out, "Asterisk's manager interface: %s, in %s\n\n", s.manager.address, s.manager.path)
	fmt.Fprintf(s.out, "1. A user for Tollwarden, in %s:\n\n%s\n\n", where, indent(hideSecret(stanza, s.secret)))
	fmt.Fprintf(s.out, "2. A configuration, %s, with the secret in a file of its own:\n\n%s\n", s.config(), indent(s.text()))
	if !s.agree("Write both, and have Asterisk read its manager.conf again?") {
		fmt.Fprintln(s.out, "Nothing was written.")
		return nil
	}
	if err := s.write(stanza, where); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "asterisk", "-rx", "manager reload").CombinedOutput(); err != nil {
		return fmt.Errorf("all is written, but Asterisk was not told: %s: run asterisk -rx \"manager reload\", then tollwarden check -c %s",
			cmp.Or(strings.TrimSpace(string(out)), err.Error()), s.config())
	}
	return s.test(ctx)
}

// find reads manager.conf and refuses what setup must not touch.
func (s *setup) find() (err error) {
	if s.manager, err = readManager(filepath.Join(s.asterisk, "manager.conf")); err != nil {
		return err
	}
	switch {
	case s.manager.exists:
		return fmt.Errorf("%s has a section [%s] already: write %s by hand (`tollwarden check --reference` prints every key)", s.manager.path, managerUser, s.config())
	case exists(s.config()):
		return fmt.Errorf("%s is there already: `tollwarden check` tests it", s.config())
	case exists(s.secretFile()):
		return fmt.Errorf("%s is there already: move it away first", s.secretFile())
	case !s.manager.enabled:
		return fmt.Errorf("%s: the manager interface is off: set enabled = yes and bindaddr = 127.0.0.1 in [general], run asterisk -rx \"manager reload\", and this again", s.manager.path)
	}
	return nil
}

func (s *setup) config() string     { return filepath.Join(s.folder, "tollwarden.toml") }
func (s *setup) secretFile() string { return filepath.Join(s.folder, "secret") }

// stanza is the user's section and the file it goes to.
func (s *setup) stanza() (text, file string) {
	text = pbx.Stanza(managerUser, s.secret, s.manager.address.Addr(), s.writes())
	if s.manager.folder {
		return text, filepath.Join(s.asterisk, "manager.d", "tollwarden.conf")
	}
	return text, s.manager.path
}

// writes are the write classes that the built-in playbooks need. Removing a
// registration of chan_sip takes a CLI command; the check afterwards says when
// less would do.
func (s *setup) writes() []string {
	if exists(filepath.Join(s.asterisk, "sip.conf")) {
		return []string{"config", "system", "command"}
	}
	return []string{"config", "system"}
}

// text is the configuration: what differs from the defaults.
func (s *setup) text() string {
	return "mode = \"observe\"   # decides and records everything, and changes nothing; \"enforce\" when you have seen that it decides well\n" +
		"\n[asterisk]\n" +
		fmt.Sprintf("address = %q\nusername = %q\nsecret_file = %q\nconfig_dir = %q\n", s.manager.address, managerUser, s.secretFile(), s.asterisk)
}

func hideSecret(text, secret string) string { return strings.ReplaceAll(text, secret, "<made up>") }

// agree asks; only y and yes agree.
func (s *setup) agree(question string) bool {
	if s.agreed {
		return true
	}
	fmt.Fprintf(s.out, "%s [y/N] ", question)
	answer, _ := s.in.ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// write creates the files and overwrites none. Our own go to the daemon's user,
// where the package has created one.
func (s *setup) write(stanza, where string) error {
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return err
	}
	for _, f := range []struct{ path, text string }{{s.secretFile(), s.secret + "\n"}, {s.config(), s.text()}} {
		if err := create(f.path, f.text); err != nil {
			return err
		}
		if err := give(f.path, managerUser); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "wrote %s\n", f.path)
	}
	if where != s.manager.path {
		if err := create(where, stanza); err != nil {
			return err
		}
		if err := copyOwner(s.manager.path, where); err != nil {
			return err
		}
	} else if err := appendTo(where, "\n"+stanza); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "wrote [%s] into %s\n", managerUser, where)
	return nil
}

// test logs in with what was written.
func (s *setup) test(ctx context.Context) error {
	cfg, err := loadConfig(s.config())
	if err != nil {
		return err
	}
	var said strings.Builder
	for try := 0; ; try++ { // the reload takes a moment
		said.Reset()
		if err = checkAsterisk(ctx, &said, cfg); err == nil || try == 2 {
			break
		}
		time.Sleep(2 * time.Second) // not faster: a wrong login is one more line in Asterisk's log
	}
	fmt.Fprintf(s.out, "\nAsterisk: %s", said.String())
	if err != nil {
		return fmt.Errorf("the test failed: %w", err)
	}
	fmt.Fprintf(s.out, "\nReady. Start it with: systemctl enable --now tollwarden (without the package: tollwarden run -c %s);\nsee what it decides with: tollwarden status, tollwarden incidents.\nSet mode = \"enforce\" in the configuration when you agree with it, and restart it.\n", s.config())
	return nil
}

// managerConf is what setup needs to know of manager.conf.
type managerConf struct {
	path    string
	enabled bool
	address netip.AddrPort // on this machine, so that our connections come from there too
	exists  bool           // a section [tollwarden]
	folder  bool           // it includes manager.d/*.conf
}

// readManager reads manager.conf and what it includes.
func readManager(path string) (managerConf, error) {
	m := managerConf{path: path}
	conf, err := conffile.Load(filepath.Dir(path), filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("no Asterisk is found here: %w (--asterisk names its configuration folder)", err)
	}
	if err != nil {
		return m, fmt.Errorf("read Asterisk's manager.conf: %w", err)
	}
	m.enabled = conffile.True(conf.Value("general", "enabled"))
	m.exists = conf.Has(managerUser)
	m.folder = slices.ContainsFunc(conf.Includes, func(pattern string) bool {
		return strings.HasSuffix(pattern, "manager.d/*.conf") || strings.HasSuffix(pattern, "manager.d/tollwarden.conf")
	})
	host, port := netip.MustParseAddr("127.0.0.1"), uint64(5038)
	if p, err := strconv.ParseUint(conf.Value("general", "port"), 10, 16); err == nil {
		port = p
	}
	if a, err := netip.ParseAddr(strings.Trim(conf.Value("general", "bindaddr"), "[]")); err == nil && !a.IsUnspecified() {
		host = a
	}
	m.address = netip.AddrPortFrom(host, uint16(port))
	return m, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// create writes a new file that only its owner reads.
func create(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// give makes the daemon's user the owner, where there is one.
func give(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return nil // not installed from a package: the daemon runs as whoever runs this
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// copyOwner gives a file the owner and the mode of another: Asterisk has to
// read what setup writes beside its own files.
func copyOwner(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", from)
	}
	if err := os.Chown(to, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm())
}
