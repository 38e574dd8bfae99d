package decide

import (
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Vital addresses are those of carriers and of a front that nearly all phones are behind.
// They are never banned, also not on proven evidence: a trunk whose password is wrong is
// its owner's mistake, and a ban would end all calls through it. Guesses over UDP are
// throttled, accounts and calls are acted on as anywhere, and people hear of it.

func whyVital(v *score.Verdict, ladder Ladder, f Facts) string {
	return "never banned: " + f.Vital + widenedWords(v, ladder, f)
}

// remedyVital is what a person can do about an attack from a vital address.
func remedyVital(f Facts) string {
	target := incident.PrefixText(f.Target)
	if f.Carrier {
		return "correct the password of the trunk or PBX at " + target + ", or, if it is none of yours, remove it from Asterisk's configuration and run " + incident.Command("ban", target, "--force")
	}
	return "block the guesser where its packets arrive, before they get the address " + target + "; " + incident.Command("status") + " says what is behind it"
}
