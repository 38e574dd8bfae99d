package check

import (
	"fmt"
	"io"
	"slices"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// explainHelp says where a call to an emergency number would not get through.
func explainHelp(w io.Writer, cfg *config.Config, lacks []pbx.Lack) {
	for _, lack := range lacks {
		if lack.Step == incident.StepLock && slices.Contains(pbx.HelpActions, lack.Action) {
			fmt.Fprintf(w, "  warning: a locked extension could not call emergency numbers, unless the dialplan's context %s has them: for emergency calls, %s.\n", pbx.LockedContext, lack)
			break
		}
	}
	if slices.Contains(settings.StepsInUse(cfg), config.StepRestrict) {
		fmt.Fprintln(w, "  An extension that is limited to its known networks (restrict) can call emergency numbers from these alone: Asterisk refuses whatever comes from elsewhere.")
	}
}
