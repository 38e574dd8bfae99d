package check

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// ExplainInternals lists signals, points and limits: what --verbose adds.
func ExplainInternals(w io.Writer, cfg *config.Config) {
	fmt.Fprintf(w, "Asterisk at %s as %q. Data in %s, control socket %s.\n", cfg.Asterisk.Address, cfg.Asterisk.Username, cfg.Data, cfg.Socket)
	for _, t := range cfg.Thresholds {
		explainThreshold(w, cfg, t)
	}
	explainSpoofable(w, cfg)
	fmt.Fprintf(w, "SuccessAfterFailures: %d or more failed logins to an extension within %s from an IP address, or one to another extension, then a successful one; failures of its network count, too, but not where extensions are used. They must be confirmed, and the IP address unknown: one that has logged in within %s is known. A password that an unknown IP address gets out of Asterisk with a nonce made up for it needs no failed logins, nor does a login from another one with a password that is known to be stolen.\n",
		cfg.BreakIn.Failures, config.FormatDuration(cfg.BreakIn.Within), config.FormatDuration(cfg.BreakIn.Known))
	fmt.Fprintf(w, "NewPlaceAfterFailures: %d or more failed logins of others, or of what may be spoofed, then a successful one from an unknown IP address: it is on probation for 30 days. If the extension is used from there for a forbidden call, by a scanner, for five numbers within an hour in countries that it had never called, for five that cost outside working hours, or for a costly call while one from elsewhere is up, this is SuccessAfterFailures.\n", cfg.BreakIn.Failures)
	fmt.Fprintf(w, "Slow guessing, within %s and where the extension is not used: SlowGuesser is %d extensions or %d wrong passwords from one IP address, SlowNetwork %d extensions from one network, SlowAttack %d changes of address on one extension, LastingFailures %d wrong passwords for one extension over days, GuessingCampaign %d extensions of the site.\n",
		config.FormatDuration(cfg.Slow.Within), cfg.Slow.Accounts, cfg.Slow.Failures, cfg.Slow.NetworkAccounts, cfg.Slow.Addresses, cfg.Slow.Failures, cfg.Slow.SiteAccounts)
	explainNumbers(w, &cfg.Calls)
	explainSteps(w, cfg)
	explainBreaker(w, cfg)
}

// explainNumbers says how dialled numbers are read.
func explainNumbers(w io.Writer, c *config.Calls) {
	where, emergency := "in "+c.Country, "those of "+c.Country
	if c.Country == "" {
		where, emergency = "without knowing the country: most national numbers cannot be read", "112, 911, 999, 000, 110, 113 and 118"
	}
	if len(c.Emergency) > 0 {
		emergency += ", and " + output.Join(c.Emergency)
	}
	fmt.Fprintf(w, "Numbers are read as dialled %s; of several plausible readings, the worst counts. Emergency numbers are %s.\n", where, emergency)
}

// explainBreaker says how many extensions are taken from their owners without a person.
func explainBreaker(w io.Writer, cfg *config.Config) {
	if cfg.Breaker.Accounts == 0 {
		fmt.Fprintln(w, "Passwords are changed and extensions locked however many there are.")
		return
	}
	fmt.Fprintf(w, "At most %s within %s have their password changed, are locked or lose their registrations; further ones wait for you, and meanwhile only their calls abroad and to premium and satellite numbers are ended.\n",
		incident.Count(cfg.Breaker.Accounts, "extension"), config.FormatDuration(cfg.Breaker.Within))
}

// explainSpoofable says how long addresses and networks are banned that may be
// spoofed.
func explainSpoofable(w io.Writer, cfg *config.Config) {
	b := &cfg.Bans
	last := ""
	if b.SpoofableForever {
		last = ", then until you release it"
	}
	first := config.FormatDuration(b.Spoofable[0])
	fmt.Fprintf(w, "An IP address that may be spoofed is banned for %s%s, on UDP port %s and the other UDP ports on which Asterisk takes SIP and IAX2 only; always for %s if an extension was used in its neighbourhood (/16, IPv6: /32) in the last 90 days, or, on all ports, if its event came over TCP or TLS. Such a ban does not lengthen the next one.\n",
		ladderWords(b.Spoofable), last, output.Join(cfg.Firewall.SIPPorts), first)
	fmt.Fprintf(w, "A network (/24, IPv6: /56 or /48) whose members take turns is closed for %s, on the same ports, if no extension was used in its neighbourhood.\n",
		ladderWords(b.Spoofable))
}

func explainThreshold(w io.Writer, cfg *config.Config, t config.Threshold) {
	names := make([]string, 0, len(t.Signals))
	for name, points := range t.Signals {
		names = append(names, fmt.Sprintf("%s (%d)", name, points))
	}
	slices.Sort(names)
	fmt.Fprintf(w, "%s: %s of one %s within %s from %s: %s.\n", t.Name, incident.Count(t.Score, "point"), perWords(t.Per),
		config.FormatDuration(t.Within), strings.Join(names, ", "), playbookWords(cfg, t.Playbook))
}

// perWords says what a threshold keeps its scores by.
func perWords(per config.Per) string {
	if per == config.PerSource {
		return "IP address"
	}
	return string(per)
}

func playbookWords(cfg *config.Config, name string) string {
	for _, b := range cfg.Playbooks {
		if b.Name == name {
			return output.Join(b.Steps)
		}
	}
	return name
}

// explainSteps says how passwords change, who gets messages and which command is
// run, as far as a playbook does so.
func explainSteps(w io.Writer, cfg *config.Config) {
	used := settings.StepsInUse(cfg)
	if slices.Contains(used, config.StepRotate) {
		encrypted := ""
		if cfg.Rotate.Recipient != "" {
			encrypted = ", encrypted to " + cfg.Rotate.Recipient
		}
		fmt.Fprintf(w, "rotate: method %s, %d characters, new passwords are stored in %s%s.\n", cfg.Rotate.Method, cfg.Rotate.Length, cfg.Rotate.Store, encrypted)
	}
	n := &cfg.Notify
	if !n.Anybody() && slices.Contains(used, config.StepNotify) {
		fmt.Fprintln(w, "notify: no messages are sent, because notify.webhook, notify.mail and notify.syslog are not set; the step will be skipped.")
	}
	if receivers, err := settings.Receivers(n); err == nil && n.Anybody() {
		var names []string
		for to := range receivers.Each {
			names = append(names, to.Name())
		}
		fmt.Fprintf(w, "notify: %s; up to %d messages of each kind within %s are sent individually, the rest in a digest (syslog gets all of them individually).\n", strings.Join(names, "; "), n.Burst, config.FormatDuration(n.Digest))
	}
	if slices.Contains(used, config.StepExec) {
		fmt.Fprintf(w, "exec: %s, for at most %s.\n", settings.Program(cfg.Exec.Command), config.FormatDuration(cfg.Exec.Within))
	}
}
