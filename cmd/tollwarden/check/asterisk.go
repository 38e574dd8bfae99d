package check

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

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// asteriskWithin bounds everything that Asterisk is asked.
const asteriskWithin = 15 * time.Second

// Asterisk logs in, lists which privileges the playbooks need and the user lacks,
// lists Asterisk's ports, and warns of settings of Asterisk's that are risky.
func Asterisk(ctx context.Context, w io.Writer, cfg *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, asteriskWithin)
	defer cancel()
	dialer, err := settings.Dialer(cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	client, err := dialer.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	options, err := settings.PBX(cfg)
	if err != nil {
		return err
	}
	manager := pbx.New(client, options)
	may, err := manager.Privileges(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "logged in to %s.\n", client.Banner())
	needed := neededSteps(cfg)
	lacking := slices.DeleteFunc(slices.Clone(may.Lacks), func(l pbx.Lack) bool { return !slices.Contains(needed, l.Step) })
	for _, lack := range lacking {
		fmt.Fprintf(w, "  missing: %s\n", lack)
	}
	unread, known, err := manager.Unread(ctx, cfg.Asterisk.Username)
	for _, class := range unread {
		fmt.Fprintf(w, "  missing: %s\n", class)
	}
	if err != nil || !known {
		fmt.Fprintf(w, "  warning: could not read in manager.conf which events the user gets: make sure that its section has read = security,call.\n")
	}
	listPorts(ctx, w, manager, settings.Ports(cfg))
	warnOfRisks(ctx, w, manager, may.Technologies)
	fmt.Fprintln(w, unattributed)
	explainIAX(ctx, w, manager, len(cfg.Asterisk.Log) > 0)
	explainHelp(w, cfg, may.Lacks)
	hopeless := false
	if rotates(cfg) {
		hopeless = listUnrotatable(ctx, w, manager)
		explainHook(w, cfg, hopeless)
	}
	if err := manager.WrongFolder(ctx); errors.Is(err, pbx.ErrWrongFolder) && editsFiles(cfg) {
		fmt.Fprintf(w, "  warning: %v.\n", err)
		hopeless = true
	}
	if policy, err := settings.Policy(cfg); err == nil {
		listForwards(ctx, w, manager, policy.Calls)
	}
	countPeople(ctx, w, manager, cfg)
	listPhones(ctx, w, manager)
	listCarriers(ctx, w, manager) // which may wait for a name server
	fmt.Fprintf(w, "The smallest section of manager.conf for this configuration:\n\n%s\n",
		output.Indent(pbx.Stanza(cfg.Asterisk.Username, "<a long random secret>", own(client), may.Write(needed...))))
	switch {
	case len(unread) > 0:
		return errors.New("the user does not get the events that everything depends on")
	case len(lacking) > 0:
		return errors.New("the user lacks privileges that the playbooks need")
	}
	if hopeless {
		return errors.New("a step of the playbooks would fail")
	}
	fmt.Fprintln(w, "  the user may carry out every step of the playbooks.")
	return nil
}

// unattributed names the calls of which nobody can say which extension caused them.
const unattributed = "  Calls of PJSIP and SIP count for the extension that dials, forwards or transfers them. Those that come in by DAHDI and other lines or by IAX2 trunks and leave again count for the trunk; Originate, Page, call files and `channel originate` for the PBX itself (pbx/itself)."

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

// portSource is what is asked for Asterisk's ports.
type portSource interface {
	Binds(ctx context.Context) (binds.Answer, error)
}

// listPorts says which ports Asterisk listens on, and warns if bans would not close
// some of them.
func listPorts(ctx context.Context, w io.Writer, asterisk portSource, configured binds.Configured) {
	answer, err := asterisk.Binds(ctx)
	state := binds.New(configured, binds.Memory{})
	state.Learn(time.Now(), answer, err)
	udp, tcp := listening(state, binds.UDP), listening(state, binds.TCP)
	if udp != "" {
		fmt.Fprintf(w, "  Asterisk listens for SIP and IAX2 on UDP port %s: bans close them, also to IP addresses that may be spoofed, as well as the ports in firewall.sip_ports.\n", udp)
	} else if err == nil {
		fmt.Fprintln(w, "  warning: Asterisk listens for SIP and IAX2 on no UDP port: only the ports in firewall.sip_ports are closed to IP addresses that may be spoofed.")
	}
	if tcp != "" {
		fmt.Fprintf(w, "  It listens on TCP port %s: a confirmed guesser's bans close them, as well as the ports in firewall.sip_tcp_ports.\n", tcp)
	}
	if err != nil {
		fmt.Fprintf(w, "  warning: could not ask Asterisk for all of its ports: %v: bans close the others only if firewall.sip_ports or firewall.sip_tcp_ports lists them, or if they close everything.\n", err)
	}
	for _, p := range []binds.Protocol{binds.UDP, binds.TCP} {
		if _, left := state.Open(p); left > 0 {
			fmt.Fprintf(w, "  warning: %d more %s ports cannot be closed: at most %d can.\n", left, p, binds.MaxPorts)
		}
	}
}

// listening lists the ports of a protocol on which Asterisk listens, with what does.
func listening(state *binds.State, p binds.Protocol) string {
	var found []string
	for _, port := range state.Ports(p) {
		for _, d := range port.Drivers {
			found = append(found, fmt.Sprintf("%d (%s)", port.Number, d.Words()))
		}
	}
	return strings.Join(found, ", ")
}

func warnOfRisks(ctx context.Context, w io.Writer, manager *pbx.Manager, on []pbx.Technology) {
	risks, err := manager.Risks(ctx, on)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not read Asterisk's own settings: %v\n", err)
	}
	for _, risk := range risks {
		fmt.Fprintf(w, "  warning: %s.\n", risk)
	}
}

// own is our end of a connection, which manager.conf must permit.
func own(c *ami.Client) netip.Addr { return c.LocalAddr().(*net.TCPAddr).AddrPort().Addr() }
