package check

import (
	"slices"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// help says where a call to an emergency number would not get through.
func help(cfg *config.Config, lacks []pbx.Lack) (out []Result) {
	for _, lack := range lacks {
		if lack.Step == incident.StepLock && slices.Contains(pbx.HelpActions, lack.Action) {
			out = append(out, warning("a locked extension could not call emergency numbers, unless the dialplan's context %s has them: for emergency calls, %s", pbx.LockedContext, lack).
				fix(managerFix(cfg, "write", withClasses(cfg, "write", lack.Classes[0]))))
			break
		}
	}
	if slices.Contains(settings.StepsInUse(cfg), config.StepRestrict) {
		out = append(out, note("an extension that is limited to its known networks (restrict) can call emergency numbers from these alone: Asterisk refuses whatever comes from elsewhere"))
	}
	return out
}
