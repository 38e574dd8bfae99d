package pbx

import (
	"context"
	"slices"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Technology is the channel driver an account belongs to, spelled as in the
// names of its channels.
type Technology string

// The technologies that have accounts with secrets.
const (
	PJSIP   Technology = "PJSIP"
	ChanSIP Technology = "SIP"
	IAX2    Technology = event.IAX2
)

var technologies = []Technology{PJSIP, ChanSIP, IAX2}

// loaded are the technologies whose module is there, as far as the
// user may know. Asking for what is not there is an error in Asterisk's
// security log each time.
func (ast asterisk) loaded(ctx context.Context) []Technology { return usable(ast.actions(ctx)) }

// actions says which actions are there and permitted; none when Asterisk does not say.
func (ast asterisk) actions(ctx context.Context) (has func(action string) bool) {
	listed, err := goami.ListCommands(ctx, ast.session(), "")
	return func(action string) bool { return err == nil && len(listed[action]) > 0 }
}

// usable are the technologies whose listing action is permitted; PJSIP and chan_sip when
// none is, because then it is not known.
func usable(allowed func(action string) bool) []Technology {
	mark := map[Technology]string{PJSIP: "PJSIPShowEndpoint", ChanSIP: "SIPshowpeer", IAX2: "IAXpeerlist"}
	out := slices.DeleteFunc(slices.Clone(technologies), func(t Technology) bool { return !allowed(mark[t]) })
	if len(out) == 0 {
		return []Technology{PJSIP, ChanSIP}
	}
	return out
}
