package pbx

import (
	"context"
	"slices"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// Risk is a setting of Asterisk that lets anyone without a login write into what this
// daemon reads, or keeps it from seeing guesses.
type Risk struct {
	Text string // what may happen, and the remedy
	// The remedy: the section [general] of File needs Variable = Value, and Module a
	// reload, in the words of the console's "MODULE reload".
	File, Variable, Value, Module string
}

// String is the text.
func (r Risk) String() string { return r.Text }

// Risks are the risky settings of this Asterisk.
func (a *audit) Risks(ctx context.Context, on []Technology) ([]Risk, error) {
	var out []Risk
	manager, err := a.asterisk.getConfig(ctx, "manager.conf")
	if err != nil {
		return nil, err
	}
	if conffile.True(manager.general("webenabled")) {
		out = append(out, Risk{"webenabled=yes in manager.conf: a login over HTTP, which may fail, forges whole events (its user name is written undecoded, at any length); set webenabled=no", "manager.conf", "webenabled", "no", "manager"})
	}
	blind, err := a.hidesGuesses(ctx)
	if err != nil {
		return out, err
	}
	if blind {
		out = append(out, Risk{"authdebug is not \"yes\" in iax.conf: guesses against IAX2 users are not seen at all, because chan_iax2 raises no events; set authdebug=yes in its section [general], and asterisk.log", iaxFile, "authdebug", "yes", "iax2"})
	}
	if !slices.Contains(on, ChanSIP) {
		return out, nil
	}
	sip, err := a.asterisk.getConfig(ctx, "sip.conf")
	if err != nil {
		return nil, err
	}
	if guests := sip.general("allowguest"); len(sip) > 0 && (guests == "" || conffile.True(guests)) {
		out = append(out, Risk{"allowguest is not \"no\" in sip.conf: anybody may call without a login, and choose the name of the channel; set allowguest=no", "sip.conf", "allowguest", "no", "sip"})
	}
	return out, nil
}

// hidesGuesses says that chan_iax2 is there and does not even log wrong passwords.
func (a *audit) hidesGuesses(ctx context.Context) (bool, error) {
	may, err := listeners{a.asterisk}.permitted(ctx)
	if err != nil || may.absent("IAXpeers", "CoreStatus") {
		return false, err
	}
	iax, err := a.asterisk.getConfig(ctx, "iax.conf")
	return err == nil && len(iax) > 0 && !conffile.True(iax.general("authdebug")), err
}

// general is a value of the section [general].
func (c config) general(name string) string {
	for _, cat := range slices.Backward(c) {
		if cat.name == "general" && cat.last(name) != "" {
			return cat.last(name)
		}
	}
	return ""
}
