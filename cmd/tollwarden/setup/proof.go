package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// proofWithin is how long a daemon that was started may take until an attack would be
	// stopped.
	proofWithin = time.Minute
	// tryWithin is how much of that may pass until a guess over SIP is given up where
	// Asterisk takes none: the daemon first has to learn its ports.
	tryWithin = 15 * time.Second
	// lookEvery is how often it is asked.
	lookEvery = 500 * time.Millisecond
)

// Prove waits until the daemon of a configuration would stop an attack, or in mode observe
// would see one. It has the daemon guess a password itself, and says what it finds.
func (s *Setup) Prove(ctx context.Context, cfg *config.Config) error {
	within := s.Within
	if within == 0 {
		within = proofWithin
	}
	client := control.Dial(cfg.Socket)
	begun := time.Now()
	end, tried := begun.Add(within), begun.Add(min(tryWithin, within/2))
	fmt.Fprintln(s.Out, "Waiting until an attack would be noticed …")
	for {
		status, proof, err := try(ctx, client)
		if err == nil && ready(status) && (proof.Seen || time.Now().After(tried) && noPassword(proof)) {
			s.proven(status, proof)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return s.unproven(within, status, proof, err)
		}
		time.Sleep(lookEvery)
	}
}

// noPassword says whether Asterisk did not even ask the guess for a password, so that nothing
// can be seen of one.
func noPassword(p control.Proof) bool {
	const unauthorized = 401
	return !p.To.IsValid() || p.Answer != unauthorized
}

// try asks how the daemon is and, if it is well, for a guess of its own.
func try(ctx context.Context, client *control.Client) (s control.Status, p control.Proof, err error) {
	if s, err = client.Status(ctx); err != nil || !ready(s) {
		return s, p, err
	}
	p, err = client.Prove(ctx)
	return s, p, err
}

// ready says whether all that is needed works. Other checks are about other things, such as a
// receiver that does not answer.
func ready(s control.Status) bool {
	if len(s.Checks) == 0 {
		return false
	}
	for _, c := range s.Checks {
		if _, needed := fixes[c.Name]; needed && !c.OK {
			return false
		}
	}
	return true
}

// proven says what was seen.
func (s *Setup) proven(status control.Status, p control.Proof) {
	switch {
	case p.Seen:
		fmt.Fprintf(s.Out, "Proof: Tollwarden tried to sign in to Asterisk at %s as %s, from %s, and saw that attempt %s later. It is not counted as an attack.\n",
			p.To, p.User, p.From, p.Took.Round(100*time.Microsecond))
	case p.To.IsValid():
		fmt.Fprintf(s.Out, "Proof: a failed login of Tollwarden's own at the manager interface was seen. Over SIP, Asterisk at %s asks unknown extensions for no password (it takes calls from anybody), so nothing could be tried there.\n", p.To)
	default:
		fmt.Fprintf(s.Out, "Proof: a failed login of Tollwarden's own at the manager interface was seen. Over SIP nothing could be tried: %s.\n", output.Plain(p.Why))
	}
	for _, c := range status.Checks {
		if _, needed := fixes[c.Name]; !needed && !c.OK {
			fmt.Fprintf(s.Out, "Also to be seen to: %s: %s\n", c.Title(), output.Plain(c.Detail))
		}
	}
	if status.Mode == string(config.Observe) {
		fmt.Fprintln(s.Out, "\nATTACKS ARE SEEN, BUT NOT STOPPED: you chose to watch first. `tollwarden incidents` shows what it would do, and `tollwarden enforce` protects.")
		return
	}
	fmt.Fprintln(s.Out, "The kernel drops what Tollwarden blocks: it has tried that, too.")
	if !p.Seen {
		fmt.Fprintf(s.Out, "\nRUNNING, BUT NOT TRIED OVER SIP: the reason is above, and %s tries again.\n", incident.Command("setup", "--prove"))
		return
	}
	fmt.Fprintln(s.Out, "\nYOU ARE PROTECTED. `tollwarden status` says at any time whether you still are.")
}

// fixes are the checks without which no attack is stopped, with the command that helps.
var fixes = map[string]string{
	"events":   "asterisk -rx \"manager show settings\" shows whether the manager interface is on; `tollwarden check` tests the login",
	"commands": "`tollwarden check` names the missing permission",
	"canary":   "`tollwarden check` names the missing permission (read = security,call)",
	"pause":    "`tollwarden resume` ends the pause",
	"kernel":   "`tollwarden check` says what the kernel refuses",
	"ports":    "`tollwarden check` lists Asterisk's ports",
	"log":      "asterisk -rx \"logger show channels\" shows where Asterisk logs; `tollwarden check` says whether that can be read",
	"files":    "systemctl restart tollwarden, then `tollwarden status`",
}

// fix is the command that helps with a check.
func (s *Setup) fix(check string) string {
	if check == "files" && !s.hasService() {
		return "run the daemon as a user who may write there, such as root"
	}
	return fixes[check]
}

// unproven says which part is missing, and what to do about it.
func (s *Setup) unproven(within time.Duration, status control.Status, p control.Proof, err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		return fmt.Errorf("the daemon did not start within %s: see `journalctl -u tollwarden -n 20`, or start it with `%s`", within, s.startCommand())
	}
	if err != nil {
		return fmt.Errorf("the daemon does not answer: %w", err)
	}
	missing := false
	for _, c := range status.Checks {
		if _, needed := fixes[c.Name]; needed && !c.OK {
			fmt.Fprintf(s.Out, "Missing: %s: %s\n  To fix it: %s\n", c.Title(), output.Plain(c.Detail), s.fix(c.Name))
			missing = true
		}
	}
	if !missing && !p.Seen {
		fmt.Fprintf(s.Out, "Missing: %s\n  To fix it: `tollwarden check` names the missing permission (read = security,call)\n", output.Plain(p.Why))
	}
	return fmt.Errorf("NOT PROTECTED YET: after %s something is still missing; once it is fixed, %s tries again", within, incident.Command("setup", "--prove"))
}
