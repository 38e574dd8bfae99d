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
	if !slices.Contains(on, ChanSIP) {
		return out, nil
	}
	sip, err := a.asterisk.getConfig(ctx, "sip.conf")
	if err != nil {
		return nil, err
	}
	if guests := sip.general("allowguest"); len(sip) > 0 && (guests == "" || conffile.True(guests)) {
		out = append(out, "allowguest is not \"no\" in sip.conf: anybody may call without an account, and choose the name of the channel; set allowguest=no")
	}
	return out, nil
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
