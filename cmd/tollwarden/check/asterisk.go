package check

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// asteriskWithin bounds everything that Asterisk is asked.
const asteriskWithin = 20 * time.Second

// proofOfAsterisk tries one thing over a login to the manager interface.
type proofOfAsterisk struct {
	name  string
	prove func(ctx context.Context, cfg *config.Config, s *session) []Result
}

// proofsOfAsterisk are in the order in which they are printed. That of the log looks for
// what the one of security events had Asterisk write.
func proofsOfAsterisk(o Options) []proofOfAsterisk {
	return []proofOfAsterisk{
		{"security events", securityEvents},
		{"call events", callEvents},
		{"log", logLine(o)},
		{"privileges", privileges},
		{"ports", ports},
		{"Asterisk's settings", risks},
		{"passwords", passwordChanges},
		{"call forwards", forwards},
		{"people", people},
		{"signed in", phones},
		{"carriers", carriers}, // which may wait for a name server
		{"limits", limits(o.Verbose)},
	}
}

// asterisk logs in and runs the proofs that need it.
func asterisk(ctx context.Context, cfg *config.Config, o Options, emit func(Result)) {
	ctx, cancel := context.WithTimeout(ctx, asteriskWithin)
	defer cancel()
	s, err := logIn(ctx, cfg)
	if err != nil {
		r := notLoggedIn(ctx, cfg, o, err)
		r.Check = "login"
		emit(r)
		for _, r := range readLog(cfg, o) { // which needs no login
			r.Check = "log"
			emit(r)
		}
		return
	}
	defer s.client.Close()
	r := passed("logged in to %s as %q", s.client.Banner(), cfg.Asterisk.Username)
	r.Check = "login"
	emit(r)
	for _, p := range proofsOfAsterisk(o) {
		for _, r := range p.prove(ctx, cfg, s) {
			r.Check = p.name
			emit(r)
		}
	}
}

// Asterisk runs only what needs a login, for setup. Its error is the first thing that
// failed, but for the log: Asterisk's other files are no matter of the user's.
func Asterisk(ctx context.Context, w io.Writer, cfg *config.Config) error {
	var first error
	asterisk(ctx, cfg, Options{}, func(r Result) {
		r.print(w)
		if r.State == Failed && r.Check != "log" && first == nil {
			first = errors.New(r.Check + ": " + r.Text)
		}
	})
	return first
}

// neededSteps are what the user must be allowed. To hang up one call takes the same
// as all calls of an account.
func neededSteps(cfg *config.Config) []incident.StepKind {
	needed := []incident.StepKind{pbx.StepResync, pbx.StepPorts}
	for _, step := range settings.StepsInUse(cfg) {
		kind := incident.StepKind(step)
		if kind == incident.StepHangupCall {
			kind = incident.StepHangup
		}
		needed = append(needed, kind)
	}
	return needed
}

// risks are settings of Asterisk's that let anybody forge what the daemon reads, and the
// folder of its files, if it is not this Asterisk's.
func risks(ctx context.Context, cfg *config.Config, s *session) (out []Result) {
	list, err := s.manager.Risks(ctx, s.may.Technologies)
	if err != nil {
		out = append(out, warning("could not read Asterisk's own settings: %v", err))
	}
	for _, risk := range list {
		out = append(out, warning("%s", risk.Text).fix(riskFix(cfg, risk)))
	}
	if err := s.manager.WrongFolder(ctx); errors.Is(err, pbx.ErrWrongFolder) && editsFiles(cfg) {
		out = append(out, failed("%v", err))
	}
	if len(out) == 0 {
		out = append(out, passed("none lets others forge what is read"))
	}
	return out
}

// riskFix is the command that changes a risky setting.
func riskFix(cfg *config.Config, r pbx.Risk) string {
	return setVariable(sectionFile(cfg.Asterisk.ConfigDir, r.File, "general"), "general", r.Variable, r.Value) + " && " + reload(r.Module)
}

// rotates says whether a playbook in use changes passwords.
func rotates(cfg *config.Config) bool {
	return slices.ContainsFunc(settings.StepsInUse(cfg), func(s config.Step) bool { return incident.StepKind(s) == incident.StepRotate })
}

// editsFiles says whether a playbook in use changes Asterisk's files.
func editsFiles(cfg *config.Config) bool {
	return slices.ContainsFunc(settings.StepsInUse(cfg), func(s config.Step) bool {
		return s == config.StepRotate || s == config.StepLock || s == config.StepRestrict
	})
}

// own is our end of a connection, which manager.conf must permit.
func own(c *ami.Client) netip.Addr { return c.LocalAddr().(*net.TCPAddr).AddrPort().Addr() }
