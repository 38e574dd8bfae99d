package pbx

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	goami "github.com/heltonmarx/goami/ami"
)

// realtimeRotation writes the database row of an auth object through Asterisk's
// own driver. Auth objects are read for every authentication, so nothing is
// reloaded.
func (m *Manager) realtimeRotation(a *account, au auth, s sorcery) rotation {
	family := cmp.Or(m.o.RealtimeFamily, s.authFamily, "ps_auths")
	return func(ctx context.Context, secret string) (string, error) {
		if err := checkName(family); err != nil {
			return "", fmt.Errorf("realtime family: %w", err)
		}
		if err := checkName(au.name); err != nil {
			return "", fmt.Errorf("auth object: %w", err)
		}
		conf, err := m.getConfig(ctx, "pjsip.conf")
		if err != nil {
			return "", err
		}
		au.realm = cmp.Or(au.realm, conf.defaultRealm())
		columns, err := au.columns(secret)
		if err != nil {
			return "", err
		}
		for i, c := range columns {
			if err := m.realtimeUpdate(ctx, family, au.name, c.name, c.value); err != nil {
				return "", m.realtimeUndo(ctx, family, au.name, columns[:i], err)
			}
		}
		m.expireCaches(ctx, s.authCaches, au.name)
		if err := m.liveAuth(ctx, a.name, au.name, secret); err != nil {
			err = m.realtimeUndo(ctx, family, au.name, columns, err)
			m.expireCaches(context.WithoutCancel(ctx), s.authCaches, au.name)
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

// realtimeUpdate sets one column of the row.
func (m *Manager) realtimeUpdate(ctx context.Context, family, id, column, value string) error {
	lines, err := m.command(ctx, strings.Join([]string{"realtime update", family, "id", id, column, value}, " "))
	if err != nil {
		return fmt.Errorf("realtime update of %s in %s: %w", column, family, err)
	}
	for _, l := range lines {
		// "Updated N RealTime records." (res_realtime.c); drivers may count 0
		// for a row that is there, so the live value decides.
		if strings.HasPrefix(l, "Updated ") {
			return nil
		}
	}
	return fmt.Errorf("realtime update of %s in %s failed: see Asterisk's log", column, family)
}

// realtimeUndo restores the old values that can be written safely, and says so.
func (m *Manager) realtimeUndo(ctx context.Context, family, id string, columns []swap, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.VerifyWithin)
	defer cancel()
	for _, c := range columns {
		if strings.ContainsAny(c.old, " \t\"'\\;\r\n") || c.old == "" {
			return fmt.Errorf("%w; the old %s cannot be written back by a command, set it in the database: %w", cause, c.name, ErrUncertain)
		}
		if err := m.realtimeUpdate(ctx, family, id, c.name, c.old); err != nil {
			return fmt.Errorf("%w; and the old %s is not back: %w: %w", cause, c.name, err, ErrUncertain)
		}
	}
	if len(columns) == 0 {
		return cause
	}
	return fmt.Errorf("%w; the old values are back", cause)
}

// expireCaches drops the object from memory caches; what cannot be dropped is
// seen by the check of the live value.
func (m *Manager) expireCaches(ctx context.Context, caches []string, id string) {
	for _, cache := range caches {
		_, _ = goami.SorceryMemoryCacheExpireObject(ctx, m.session(), "", cache, id)
	}
}
