package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/setup"
)

// setupFlags are what the command line says about a setup.
type setupFlags struct {
	asterisk, folder, answers, root                 *string
	database, agreed, example, undo, removal, prove *bool
	given                                           map[string]*[]string // answers, by key
}

// argumentOf is what the help shows as the argument of a question's flag.
var argumentOf = map[string]string{
	"manager": "yes|no", "not_ours": "EXTENSION|ADDRESS,…", "offices": "NETWORK,…", "country": "COUNTRY", "outside_line": "DIGITS", "hours": "HOURS,…",
	"carriers": "NAME,…", "mail_to": "ADDRESS,…", "mail_server": "HOST:PORT", "mail_from": "ADDRESS", "webhook": "URL", "log": "FILE|add|none",
	"sip_ports": "PORT,…", "sip_tcp_ports": "PORT,…", "fail2ban": "off|keep", "guests": "keep|refuse", "mode": "protect|watch", "start": "yes|no",
}

// argument is a flag's value whose help names what it takes, instead of a type of Go's.
type argument struct {
	pflag.Value
	name string
}

// Type is what the help shows after the flag.
func (a argument) Type() string { return a.name }

func newSetup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "setup", Short: "Set up Tollwarden beside the Asterisk on this machine", Args: args(cobra.NoArgs),
		Long: "Set up Tollwarden beside the Asterisk on this machine. It looks at what is there, asks a few\n" +
			"questions, shows what it will write, starts the service, and proves with a failed login of\n" +
			"its own that attacks are noticed. Nothing is written before you agree. Another run changes\n" +
			"single settings; --undo takes everything back.\n\n" +
			"Each question can be answered by its own flag or in a file (--answers).",
		Example: "  tollwarden setup\n  tollwarden setup --print-answers > answers.toml\n  tollwarden setup --answers answers.toml\n" +
			"  tollwarden setup --country GB --mode watch --yes\n  tollwarden setup --undo",
	}
	f := setupFlags{
		asterisk: cmd.Flags().String("asterisk", "/etc/asterisk", "Asterisk's configuration `FOLDER`"),
		folder:   cmd.Flags().String("folder", "/etc/tollwarden", "the `FOLDER` for Tollwarden's configuration"),
		answers:  cmd.Flags().String("answers", "", "take the answers from `FILE` and ask nothing"),
		example:  cmd.Flags().Bool("print-answers", false, "print a file of answers, filled in with what is found or in force"),
		database: cmd.Flags().Bool("database", false, "only make the database user, as root, where FreePBX, Issabel or PJSIP realtime keep extensions in MariaDB"),
		agreed:   cmd.Flags().Bool("yes", false, "ask nothing: take what is found"),
		undo:     cmd.Flags().Bool("undo", false, "take back everything that setup did"),
		removal:  cmd.Flags().Bool("keep-configuration", false, "with --undo: leave Tollwarden's own configuration, as when its package is removed"),
		prove:    cmd.Flags().Bool("prove", false, "only prove that attacks are noticed"),
		root:     cmd.Flags().String("system-root", "/", "the `FOLDER` that holds the system's own files"),
		given:    map[string]*[]string{},
	}
	_ = cmd.Flags().MarkHidden("system-root") // for tests; the flag exists
	for _, q := range setup.Questions() {
		name := strings.ReplaceAll(q[0], "_", "-")
		f.given[q[0]] = cmd.Flags().StringSlice(name, nil, strings.NewReplacer("\"", "", "`", "").Replace(q[1]))
		flag := cmd.Flags().Lookup(name)
		flag.Value, flag.DefValue = argument{flag.Value, argumentOf[q[0]]}, ""
	}
	cmd.MarkFlagsMutuallyExclusive("undo", "prove", "database", "print-answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		err := runSetup(cmd, f)
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: run it as root", err)
		}
		return err
	}
	return cmd
}

func runSetup(cmd *cobra.Command, f setupFlags) error {
	s := setup.Setup{
		In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Agreed: *f.agreed || *f.answers != "", Given: setup.Answers{}, Secret: rand.Text(),
		Run: setup.System, Proc: "/proc", Root: *f.root,
	}
	var err, ferr error // absolute, because the daemon runs in another folder
	s.Asterisk, err = filepath.Abs(*f.asterisk)
	s.Folder, ferr = filepath.Abs(*f.folder)
	if err := errors.Join(err, ferr); err != nil {
		return err
	}
	if cfg, err := settings.Load(filepath.Join(s.Folder, "tollwarden.toml")); err == nil && !cmd.Flags().Changed("asterisk") {
		s.Asterisk = cfg.Asterisk.ConfigDir
	}
	if *f.answers != "" {
		if s.Given, err = setup.ReadAnswers(*f.answers); err != nil {
			return usage(err)
		}
	}
	for key, words := range f.given {
		if cmd.Flags().Changed(strings.ReplaceAll(key, "_", "-")) {
			if err := s.Given.Set(key, *words...); err != nil {
				return usage(err)
			}
		}
	}
	switch {
	case *f.undo:
		return s.Undo(cmd.Context(), *f.removal)
	case *f.database:
		return setupDatabase(cmd, &s)
	case *f.prove:
		cfg, err := settings.Load(filepath.Join(s.Folder, "tollwarden.toml"))
		if err != nil {
			return err
		}
		return s.Prove(cmd.Context(), cfg)
	case *f.example:
		text, err := s.Example(cmd.Context())
		if err == nil {
			_, err = fmt.Fprint(s.Out, text)
		}
		return err
	}
	return s.Go(cmd.Context())
}

// setupDatabase makes the database user of the configuration, or that of its defaults if
// there is none yet.
func setupDatabase(cmd *cobra.Command, s *setup.Setup) error {
	d := setup.Database{In: s.In, Out: s.Out, Agreed: s.Agreed, Asterisk: s.Asterisk}
	cfg, err := settings.Load(filepath.Join(s.Folder, "tollwarden.toml"))
	switch {
	case err == nil:
		d.Options, d.Asterisk = settings.Database(cfg), cfg.Asterisk.ConfigDir
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return s.Database(cmd.Context(), &d)
}
