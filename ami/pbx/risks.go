package pbx

import (
	"context"
	"slices"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// Risks are settings of Asterisk that let anyone without a login write into
// what this daemon reads, each with the remedy.
func (a *audit) Risks(ctx context.Context, on []Technology) ([]string, error) {
	var out []string
	manager, err := a.asterisk.getConfig(ctx, "manager.conf")
	if err != nil {
		return nil, err
	}
	if conffile.True(manager.general("webenabled")) {
		out = append(out, "webenabled=yes in manager.conf: a login over HTTP, which may fail, forges whole events (its user name is written undecoded, at any length); set webenabled=no")
	}
	blind, err := a.hidesGuesses(ctx)
	if err != nil {
		return out, err
	}
	if blind {
		out = append(out, "authdebug is not \"yes\" in iax.conf: guesses against IAX2 users are not seen at all, because chan_iax2 raises no events; set authdebug=yes in its section [general], and asterisk.log")
	}
	if !slices.Contains(on, ChanSIP) {
		return out, nil
	}
	sip, err := a.asterisk.getConfig(ctx, "sip.conf")
	if err != nil {
		return nil, err
	}
	if guests := sip.general("allowguest"); len(sip) > 0 && (guests == "" || conffile.True(guests)) {
		out = append(out, "allowguest is not \"no\" in sip.conf: anybody may call without a login, and choose the name of the channel; set allowguest=no")
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
