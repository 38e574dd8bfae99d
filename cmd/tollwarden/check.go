package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// checkWithin bounds the questions to Asterisk.
const checkWithin = 15 * time.Second

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Explain the configuration and test that it works here", Args: args(cobra.NoArgs),
		Long: "Explain the configuration in words, log in to Asterisk and list what the user may do,\n" +
			"try the ruleset in the kernel without touching the one in force, and see whether the\n" +
			"receivers of messages can be reached. Changes nothing; sends messages only with --notify.",
	}
	file := configFlag(cmd)
	reference := cmd.Flags().Bool("reference", false, "print every key with its default, and check nothing")
	send := cmd.Flags().Bool("notify", false, "send every receiver a test message")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := cmd.OutOrStdout()
		if *reference {
			_, err := out.Write(config.Reference)
			return err
		}
		cfg, err := loadConfig(*file)
		if err != nil {
			return err
		}
		allowed, err := config.LoadAllowFile(allowPath(cfg))
		if err != nil {
			return err
		}
		printWarnings(out, cfg)
		explain(out, cfg, allowed)
		checks := []struct {
			name string
			run  func(context.Context, io.Writer, *config.Config) error
		}{{"kernel", checkKernel}, {"files", checkFiles}, {"asterisk", checkAsterisk}, {"log", checkLog}, {"receivers", receiversCheck(*send)}}
		failed := 0
		for _, c := range checks {
			fmt.Fprintf(out, "\n%s: ", c.name)
			if err := c.run(cmd.Context(), out, cfg); err != nil {
				fmt.Fprintf(out, "FAILED: %v\n", err)
				failed++
			}
		}
		if failed > 0 {
			return fmt.Errorf("check: %d of %d checks failed", failed, len(checks))
		}
		return nil
	}
	return cmd
}

// printWarnings lists the old names in the file. They still work, so they are no
// failures.
func printWarnings(w io.Writer, cfg *config.Config) {
	for _, warning := range cfg.Warnings {
		fmt.Fprintf(w, "warning: %s: %s\n", warning.File, warning)
	}
	if len(cfg.Warnings) > 0 {
		fmt.Fprintln(w)
	}
}

// explain says in words what the configuration will do.
func explain(w io.Writer, cfg *config.Config, allowed *config.AllowFile) {
	fmt.Fprintf(w, "Mode %s", cfg.Mode)
	if cfg.Mode == config.Observe {
		fmt.Fprint(w, ": decide and record everything, change nothing")
	}
	fmt.Fprintf(w, ".\nAsterisk at %s as %q. Records in %s, commands on %s.\n", cfg.Asterisk.Address, cfg.Asterisk.Username, cfg.Data, cfg.Socket)
	fmt.Fprintf(w, "Never banned: %s%s.\n\n", joinWords(allowList(cfg)), allowFileWords(allowed))
	for _, t := range cfg.Thresholds {
		explainThreshold(w, cfg, t)
	}
	fmt.Fprintf(w, "\nA ban lasts %s, by offence; an offence is forgotten after %s.\n", ladderWords(cfg.Bans.Ladder), config.FormatDuration(cfg.Bans.Forget))
	fmt.Fprintf(w, "A source that may be spoofed is banned for %s, and only from UDP port %s, or from everything if its event came over TCP or TLS; that is not an offence.\n",
		config.FormatDuration(cfg.Bans.Spoofable), joinWords(cfg.Firewall.SIPPorts))
	fmt.Fprintf(w, "SuccessAfterFailures: %d or more failed logins to an account within %s from unknown sources, then a successful one from an unknown source; a source that logged in within %s is known.\n",
		cfg.BreakIn.Failures, config.FormatDuration(cfg.BreakIn.Within), config.FormatDuration(cfg.BreakIn.Known))
	if slices.Contains(stepsInUse(cfg), config.StepRotate) {
		fmt.Fprintf(w, "rotate: method %s, %d characters, new secrets are stored in %s%s.\n", cfg.Rotate.Method, cfg.Rotate.Length, cfg.Rotate.Store, encrypted(cfg))
	}
	explainTelling(w, cfg)
}

// allowFileWords counts the entries of the allow file, if it has any.
func allowFileWords(file *config.AllowFile) string {
	if n := len(file.Entries()); n > 0 {
		return fmt.Sprintf(", and %d more in %s", n, file.Path())
	}
	return ""
}

func explainThreshold(w io.Writer, cfg *config.Config, t config.Threshold) {
	names := make([]string, 0, len(t.Signals))
	for name, points := range t.Signals {
		names = append(names, fmt.Sprintf("%s (%d)", name, points))
	}
	slices.Sort(names)
	fmt.Fprintf(w, "%s: %s of one %s within %s from %s: %s.\n", t.Name, incident.Count(t.Score, "point"), t.Per,
		config.FormatDuration(t.Within), strings.Join(names, ", "), playbookWords(cfg, t.Playbook))
}

func playbookWords(cfg *config.Config, name string) string {
	for _, b := range cfg.Playbooks {
		if b.Name == name {
			return joinWords(b.Steps)
		}
	}
	return name
}

func ladderWords(times []time.Duration) string {
	words := make([]string, len(times))
	for i, d := range times {
		words[i] = config.FormatDuration(d)
	}
	return strings.Join(words, ", then ")
}

func encrypted(cfg *config.Config) string {
	if cfg.Rotate.Recipient == "" {
		return ""
	}
	return ", encrypted to " + cfg.Rotate.Recipient
}

func joinWords[T any](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

func checkKernel(_ context.Context, w io.Writer, cfg *config.Config) error {
	if err := firewall.Check(tableConfig(cfg)); err != nil {
		return err
	}
	fmt.Fprintf(w, "ok: the kernel accepts the whole ruleset of table inet %s.\n", cfg.Firewall.Table)
	if err := firewall.CheckWatch(tableConfig(cfg)); err != nil {
		fmt.Fprintf(w, "  warning: %v: %s.\n", err, withoutProof)
	}
	return nil
}

// pbxSteps are the steps that need privileges, by their names in package pbx.
var pbxSteps = map[config.Step]string{
	config.StepHangup: pbx.StepHangup, config.StepHangupCall: pbx.StepHangup, config.StepLock: pbx.StepLock, config.StepRestrict: pbx.StepRestrict, config.StepRotate: pbx.StepRotate, config.StepRemoveRegistrations: pbx.StepRemoveRegistrations,
}

func checkAsterisk(ctx context.Context, w io.Writer, cfg *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	dialer, err := newDialer(cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	client, err := dialer.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	options, err := pbxOptions(cfg)
	if err != nil {
		return err
	}
	manager := pbx.New(client, options)
	may, err := manager.Privileges(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "logged in to %s.\n", client.Banner())
	needed := []string{pbx.StepResync}
	for _, step := range stepsInUse(cfg) {
		if name, ok := pbxSteps[step]; ok {
			needed = append(needed, name)
		}
	}
	lacking := 0
	for _, lack := range may.Lacks {
		if slices.Contains(needed, lack.Step) {
			fmt.Fprintf(w, "  missing: %s\n", lack)
			lacking++
		}
	}
	risks, err := manager.Risks(ctx, may.Technologies)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not read Asterisk's own settings: %v\n", err)
	}
	for _, risk := range risks {
		fmt.Fprintf(w, "  warning: %s.\n", risk)
	}
	fmt.Fprintf(w, "The smallest section of manager.conf for this configuration:\n\n%s\n", indent(pbx.Stanza(cfg.Asterisk.Username, "<a long random secret>", own(client), may.Write(needed...))))
	if lacking > 0 {
		return errors.New("the user lacks privileges that the playbooks need")
	}
	fmt.Fprintln(w, "  the user may carry out every step of the playbooks.")
	return nil
}

// own is our end of a connection, which manager.conf must permit.
func own(c *ami.Client) netip.Addr { return c.LocalAddr().(*net.TCPAddr).AddrPort().Addr() }

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
