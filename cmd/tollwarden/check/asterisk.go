package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// asteriskWithin bounds everything that Asterisk is asked.
const asteriskWithin = 15 * time.Second

// Asterisk logs in, lists which privileges the playbooks need and the user lacks,
// and warns of settings of Asterisk's that are risky.
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
	warnOfRisks(ctx, w, manager, may.Technologies)
	fmt.Fprintf(w, "The smallest section of manager.conf for this configuration:\n\n%s\n",
		output.Indent(pbx.Stanza(cfg.Asterisk.Username, "<a long random secret>", own(client), may.Write(needed...))))
	if len(lacking) > 0 {
		return errors.New("the user lacks privileges that the playbooks need")
	}
	fmt.Fprintln(w, "  the user may carry out every step of the playbooks.")
	return nil
}

// neededSteps are what the user must be allowed. To hang up one call takes the same
// as all calls of an account.
func neededSteps(cfg *config.Config) []incident.StepKind {
	needed := []incident.StepKind{pbx.StepResync}
	for _, step := range settings.StepsInUse(cfg) {
		kind := incident.StepKind(step)
		if kind == incident.StepHangupCall {
			kind = incident.StepHangup
		}
		needed = append(needed, kind)
	}
	return needed
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
