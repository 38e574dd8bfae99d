package check

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// Options say what Run does.
type Options struct {
	// File is where the configuration was read from.
	File string
	// Send sends every receiver a sample of each kind of message.
	Send bool
	// Verbose adds the configuration in words, its internals, and the section of manager.conf.
	Verbose bool
	// JSON prints a Report instead of text.
	JSON bool
}

// A proof tries one thing, and says what it found. It changes nothing.
type proof struct {
	name  string
	prove func(ctx context.Context, cfg *config.Config) []Result
}

// proofs are those of this machine, in the order in which they are printed. Those of
// Asterisk come after them; see proofsOfAsterisk.
func proofs(o Options) []proof {
	return []proof{
		{"mode", mode(o.File)},
		{"configuration", names},
		{"kernel", kernel},
		{"files", files},
		{"secrets", fileModes(o.File)},
		{"hooks", hooks},
		{"fail2ban", fail2ban(runCommand)},
		{"FreePBX", freePBX(runCommand)},
		{"receivers", receivers(o.Send)},
	}
}

// Run tests a configuration, writes what it finds to w and, if asked, explains the
// configuration after that. Its error says how many tests failed.
func Run(ctx context.Context, w io.Writer, cfg *config.Config, o Options) error {
	allowed, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return err
	}
	report := Report{Mode: string(cfg.Mode), Rules: Rules(cfg)}
	emit := func(r Result) {
		report.Results = append(report.Results, r)
		if !o.JSON {
			r.print(w)
		}
	}
	run(ctx, cfg, proofs(o), emit)
	asterisk(ctx, cfg, o, emit)
	report.count()
	switch {
	case o.JSON:
		err = output.JSON(w, report)
	case o.Verbose:
		fmt.Fprintln(w)
		Explain(w, cfg, allowed)
		fmt.Fprintln(w)
		ExplainInternals(w, cfg)
		fmt.Fprintf(w, "\n%s\n", report.Summary())
	default:
		fmt.Fprintf(w, "\n%s\n`tollwarden check --verbose` explains the configuration: what is stopped, and how.\n", report.Summary())
	}
	if report.Failed > 0 {
		return fmt.Errorf("check: %d of %d checks failed", report.Failed, report.Passed+report.Warnings+report.Failed)
	}
	return err
}

func run(ctx context.Context, cfg *config.Config, proofs []proof, emit func(Result)) {
	for _, p := range proofs {
		for _, r := range p.prove(ctx, cfg) {
			r.Check = p.name
			emit(r)
		}
	}
}

// names are the old names of keys in the configuration, and what the allow list lacks.
func names(_ context.Context, cfg *config.Config) (out []Result) {
	for _, w := range cfg.Warnings { // the old names still work
		r := warning("%s: %s", w.File, w)
		if w.Old != "" && w.Line > 0 {
			r = r.fix(renameKey(w))
		}
		out = append(out, r)
	}
	allowed, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return append(out, failed("%v", err))
	}
	return append(out, allowItems(append(cfg.Firewall.Allow[:len(cfg.Firewall.Allow):len(cfg.Firewall.Allow)], allowed.Items()...), time.Now())...)
}
