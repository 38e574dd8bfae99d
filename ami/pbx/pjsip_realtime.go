package pbx

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// realtimeRotation writes the database row of an auth object through Asterisk's
// own driver. Auth objects are read for every authentication, so nothing is
// reloaded.
func (ro *rotations) realtimeRotation(a *account, au auth, s sorcery) rotation {
	family := cmp.Or(ro.o.RealtimeFamily, s.authFamily, "ps_auths")
	return func(ctx context.Context, secret string) (string, error) {
		if err := checkName(family); err != nil {
			return "", fmt.Errorf("realtime family: %w", err)
		}
		if err := checkAccount(au.name); err != nil {
			return "", fmt.Errorf("auth object: %w", err)
		}
		conf, err := ro.asterisk.getConfig(ctx, "pjsip.conf")
		if err != nil {
			return "", err
		}
		au.realm = cmp.Or(au.realm, conf.defaultRealm())
		columns, err := au.columns(secret)
		if err != nil {
			return "", err
		}
		for i, c := range columns {
			if err := ro.database.realtimeUpdate(ctx, family, au.name, c.name, c.value); err != nil {
				return "", ro.database.realtimeUndo(ctx, family, au.name, columns[:i], err)
			}
		}
		ro.database.expireCaches(ctx, s.authCaches, au.name)
		if err := ro.liveAuth(ctx, a.name, au.name, secret); err != nil {
			err = ro.database.realtimeUndo(ctx, family, au.name, columns, err)
			ro.database.expireCaches(context.WithoutCancel(ctx), s.authCaches, au.name)
			return "", err
		}
		return fmt.Sprintf("PJSIP auth %s in realtime family %s, live value checked", au.name, family), nil
	}
}

// columns are the columns of an auth row that depend on the secret.
func (au auth) columns(secret string) ([]swap, error) {
	var out []swap
	// Asterisk shows md5_cred both as Md5Cred and in PasswordDigest where it
	// knows the latter; the kind tells which column is filled.
	switch {
	case strings.EqualFold(au.kind, "digest"):
		value, err := au.digests(au.digestLists, secret)
		if err != nil {
			return nil, err
		}
		out = append(out, swap{"password_digest", au.digestLists, value})
	case au.md5cred != "":
		h, err := digest("MD5", au.username, au.realm, secret)
		if err != nil {
			return nil, err
		}
		out = append(out, swap{"md5_cred", au.md5cred, h})
	}
	if au.password != "" || len(out) == 0 {
		out = append(out, swap{"password", au.password, secret})
	}
	return out, nil
}
