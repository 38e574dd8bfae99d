package pbx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// pjsipModule is what makes PJSIP read its files again.
const pjsipModule = "res_pjsip.so"

// planPJSIP finds where the secrets of an endpoint are.
func (ro *rotations) planPJSIP(ctx context.Context, a *account) ([]rotation, error) {
	e := a.endpoint
	if len(e.auths) == 0 {
		return nil, errors.New("the endpoint has no auth object and so no secret: it is identified by its address (type=identify)")
	}
	stores, err := ro.asterisk.stores(ctx)
	if err != nil {
		return nil, err
	}
	var rs []rotation
	for _, au := range e.auths {
		if slices.Contains(e.outbound, au.name) {
			if err := ro.bothWays(ctx, a, au); err != nil {
				return nil, fmt.Errorf("auth %s is also this endpoint's outbound_auth: %w", au.name, err)
			}
		}
		if strings.EqualFold(au.kind, "google_oauth") {
			return nil, fmt.Errorf("auth %s: google_oauth has no secret of ours", au.name)
		}
		r, err := ro.planAuth(ctx, a, au, stores)
		if err != nil {
			return nil, fmt.Errorf("auth %s: %w", au.name, err)
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// planAuth chooses between files, realtime and the wizard, in the order in which
// Asterisk would find the object.
func (ro *rotations) planAuth(ctx context.Context, a *account, au auth, stores sorcery) (rotation, error) {
	if ro.o.Method != PJSIPRealtime {
		for _, root := range stores.authFiles {
			r, err := ro.planAuthFile(ctx, a, au, root)
			if r != nil || err != nil {
				return r, err
			}
		}
	}
	if ro.o.Method != PJSIPFile && ro.o.Method != FreePBX && (stores.authFamily != "" || ro.o.RealtimeFamily != "" || ro.o.Method == PJSIPRealtime) {
		return ro.realtimeRotation(a, au, stores), nil
	}
	if ro.o.Method != PJSIPRealtime {
		if r, err := ro.planWizard(ctx, a, au); r != nil || err != nil {
			return r, err
		}
	}
	return nil, fmt.Errorf("found in none of %s, and sorcery.conf maps no realtime family: use a rotation hook", strings.Join(stores.authFiles, ", "))
}

// planAuthFile prepares the rotation of an auth section; nil when the file has
// none of that name.
func (ro *rotations) planAuthFile(ctx context.Context, a *account, au auth, root string) (rotation, error) {
	conf, err := ro.asterisk.getConfig(ctx, root)
	if err != nil {
		return nil, err
	}
	i, err := conf.find(au.name, "auth")
	if err != nil || i < 0 {
		return nil, err
	}
	au.realm = cmp.Or(au.realm, conf.defaultRealm())
	return ro.fileRotation(a, au, edit{root: root, section: au.name, kind: "auth"}, ""), nil
}

// planWizard prepares the rotation of a section of pjsip_wizard.conf, which
// makes an auth object named <section>-iauth.
func (ro *rotations) planWizard(ctx context.Context, a *account, au auth) (rotation, error) {
	name, ok := strings.CutSuffix(au.name, "-iauth")
	if !ok {
		return nil, nil
	}
	const root = "pjsip_wizard.conf"
	conf, err := ro.asterisk.getConfig(ctx, root)
	if err != nil {
		return nil, err
	}
	i, err := conf.find(name, "wizard")
	if err != nil || i < 0 {
		return nil, err
	}
	main, err := ro.asterisk.getConfig(ctx, "pjsip.conf")
	if err != nil {
		return nil, err
	}
	au.realm = cmp.Or(au.realm, main.defaultRealm())
	return ro.fileRotation(a, au, edit{root: root, section: name, kind: "wizard"}, "inbound_auth/"), nil
}

// defaultRealm is the realm of auth objects that name none.
func (c config) defaultRealm() string {
	for _, cat := range c {
		if !cat.template && cat.last("type") == "global" {
			return cmp.Or(cat.last("default_realm"), "asterisk")
		}
	}
	return "asterisk"
}

// fileRotation changes the variables of a section, reloads and checks.
func (ro *rotations) fileRotation(a *account, au auth, e edit, prefix string) rotation {
	return func(ctx context.Context, secret string) (string, error) {
		var err error
		if e.before, err = ro.asterisk.getConfig(ctx, e.root); err != nil { // another rotation may have come first
			return "", err
		}
		if e.index, err = e.before.find(e.section, e.kind); err != nil || e.index < 0 {
			return "", join(err, fmt.Errorf("section [%s] is no longer in %s", e.section, e.root))
		}
		if e.swaps, err = au.swaps(e.before[e.index], prefix, secret); err != nil {
			return "", err
		}
		live := func(ctx context.Context) error { return ro.liveAuth(ctx, a.name, au.name, secret) }
		where, more, err := ro.bring(ctx, a.name, e, pjsipModule, live)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("PJSIP auth %s in %s, live value checked%s", au.name, where, more), nil
	}
}

// swaps are the variables of an auth section that depend on the secret. A
// digest wins over a password of the same section, so every one there is changes.
func (au auth) swaps(c category, prefix, secret string) ([]swap, error) {
	var out []swap
	if old := c.last(prefix + "md5_cred"); old != "" {
		h, err := digest("MD5", au.username, au.realm, secret)
		if err != nil {
			return nil, err
		}
		out = append(out, swap{prefix + "md5_cred", old, h})
	}
	for _, old := range c.values(prefix + "password_digest") {
		value, err := au.digests(old, secret)
		if err != nil {
			return nil, err
		}
		out = append(out, swap{prefix + "password_digest", old, value})
	}
	if old := c.last(prefix + "password"); old != "" || len(out) == 0 {
		out = append(out, swap{prefix + "password", old, secret})
	}
	return out, nil
}

// digests makes a new "ALG:hash,ALG:hash" list with the algorithms of the old one.
func (au auth) digests(old, secret string) (string, error) {
	var out []string
	for _, item := range list(old) {
		algorithm, _, found := strings.Cut(item, ":")
		if !found {
			algorithm = "MD5" // Asterisk reads a bare hash so
		}
		h, err := digest(strings.TrimSpace(algorithm), au.username, au.realm, secret)
		if err != nil {
			return "", err
		}
		out = append(out, strings.TrimSpace(algorithm)+":"+h)
	}
	return strings.Join(out, ","), nil
}

// accepts reports whether the live auth object takes the secret and no other.
func (au auth) accepts(secret, defaultRealm string) bool {
	realm := cmp.Or(au.realm, defaultRealm)
	if au.md5cred == "" && au.digestLists == "" {
		return au.password == secret
	}
	if au.md5cred != "" {
		if h, err := digest("MD5", au.username, realm, secret); err != nil || !strings.EqualFold(h, au.md5cred) {
			return false
		}
	}
	for _, item := range list(au.digestLists) {
		algorithm, hash, _ := strings.Cut(item, ":")
		if h, err := digest(algorithm, au.username, realm, secret); err != nil || !strings.EqualFold(h, hash) {
			return false
		}
	}
	return au.password == "" || au.password == secret
}

// liveAuth waits until Asterisk itself shows the new secret for an auth object.
func (ro *rotations) liveAuth(ctx context.Context, endpointName, authName, secret string) error {
	realm := ""
	held, err := eventually(ctx, ro.o.VerifyWithin, func() (bool, error) {
		e, err := ro.asterisk.endpoint(ctx, endpointName)
		if err != nil || e == nil {
			return false, err // an endpoint may be away for a moment in a reload
		}
		for _, au := range e.auths {
			if au.name != authName {
				continue
			}
			if au.realm == "" && realm == "" && (au.md5cred != "" || au.digestLists != "") {
				conf, err := ro.asterisk.getConfig(ctx, "pjsip.conf")
				if err != nil {
					return false, err
				}
				realm = conf.defaultRealm()
			}
			return au.accepts(secret, realm), nil
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("check the live secret: %w", err)
	}
	if !held {
		return fmt.Errorf("the live auth object %s does not have the new secret after %v", authName, ro.o.VerifyWithin)
	}
	return nil
}

// bothWays says why an auth object that Asterisk itself uses, too, cannot be changed, or
// returns nil: FreePBX's Outbound Auth is a phone's own, with which Asterisk answers the
// phone's challenge. A trunk's auth object has the trunk's name; where an extension's has
// its name, too, the database tells them apart.
func (ro *rotations) bothWays(ctx context.Context, a *account, au auth) error {
	t, err := ro.editor.folder.readTree("pjsip.conf")
	switch generated := err == nil && slices.ContainsFunc(t.files, func(f *confFile) bool {
		return t.personsFile(f) != nil && f.generated(ro.editor.declared) && len(conffile.Sections(f.lines, au.name)) > 0
	}); {
	case !generated:
		return errors.New("give outbound calls an auth object of their own")
	case au.name != a.name+"-auth" && ro.askFirst(ctx, a.name, "secret") != nil:
		return errNotExtension
	}
	return nil
}
