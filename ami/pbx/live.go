package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// standing reads what is in force for accounts, and puts passwords back.
type standing struct {
	asterisk  asterisk
	rotations rotations
	editor    *editor
	key       orders.SecretKey
}

// Live is what Asterisk has in force for an account. PJSIP shows all but the networks of a
// restriction; chan_sip and chan_iax2 show no password. Those are read from the files, as
// Asterisk would read them now. Passwords leave this package as fingerprints only.
func (s *standing) Live(ctx context.Context, account string) (orders.Live, error) {
	return s.Round(true)(ctx, account)
}

// Round is Live for many accounts, which reads each file once. Without files, what only they
// show is left out.
func (s *standing) Round(files bool) func(ctx context.Context, account string) (orders.Live, error) {
	ast := asterisk{&remembering{d: s.asterisk.d, only: []string{"GetConfig", "ListCommands"}}}
	return func(ctx context.Context, account string) (orders.Live, error) {
		return s.liveOf(ctx, ast, account, files)
	}
}

func (s *standing) liveOf(ctx context.Context, ast asterisk, account string, files bool) (orders.Live, error) {
	l := orders.Live{Contexts: map[string]string{}, Permits: map[string]string{}}
	a, err := ast.find(ctx, account)
	if errors.Is(err, ErrNoAccount) {
		l.Gone = s.deleted(ctx, ast, account)
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("see what is in force for %s: %w", account, err)
	}
	if a.endpoint != nil {
		l.Contexts[string(PJSIP)] = a.endpoint.context
		for _, au := range a.endpoint.auths {
			s.add(&l, au.password, au.md5cred, au.digestLists)
		}
		if !strings.Contains(a.endpoint.acl, "deny/permit") {
			l.Permits[string(PJSIP)] = ""
		} else if files {
			err = errors.Join(err, ast.permitsOf(ctx, &l, PJSIP, account))
		}
	}
	if a.peer != nil {
		l.Contexts[string(ChanSIP)] = a.peer.Get("Context")
		if a.peer.Get("ACL") != "Y" {
			l.Permits[string(ChanSIP)] = ""
		} else if files {
			err = errors.Join(err, ast.permitsOf(ctx, &l, ChanSIP, account))
		}
	}
	if files && a.peer != nil {
		err = errors.Join(err, s.addFrom(ctx, ast, &l, "sip.conf", account, "secret", "md5secret"))
	}
	if files && a.iax != nil {
		err = errors.Join(err, s.addFrom(ctx, ast, &l, iaxFile, account, "secret"))
	}
	if a.peer != nil && !files || a.iax != nil && !files {
		l.Passwords = nil // some of them are not known
	}
	if err != nil {
		return l, fmt.Errorf("see what is in force for %s: %w", account, err)
	}
	return l, nil
}

// deleted says whether an account that Asterisk does not have is in no file and no database
// either. Otherwise a module is not loaded, or could not read them: the account will be back,
// and so might a stolen password.
func (s *standing) deleted(ctx context.Context, ast asterisk, account string) bool {
	stores, err := ast.stores(ctx)
	if err != nil {
		return false
	}
	sections := 0
	for _, root := range slices.Concat(stores.endpointFiles, []string{"pjsip_wizard.conf", "sip.conf", iaxFile}) {
		conf, err := ast.getConfig(ctx, root)
		if err != nil || slices.ContainsFunc(conf, func(c category) bool { return c.name == account && !c.template }) {
			return false
		}
		sections += len(conf)
	}
	if stores.endpointFamily == "" {
		return sections > 0 // else the files are away, too
	}
	db := s.rotations.database
	table, err := db.table(ctx, stores.endpointFamily)
	if err != nil || db.rows == nil {
		return false // a person can end what was ordered
	}
	_, err = db.rows.Row(ctx, table, account, "id")
	return errors.Is(err, mariadb.ErrNoRow)
}

// add takes what logs in.
func (s *standing) add(l *orders.Live, passwords ...string) {
	for _, p := range passwords {
		if p != "" {
			l.Passwords = append(l.Passwords, s.key.Sum(p))
		}
	}
}

// addFrom takes the secrets of a section.
func (s *standing) addFrom(ctx context.Context, ast asterisk, l *orders.Live, root, section string, variables ...string) error {
	conf, err := ast.getConfig(ctx, root)
	if err != nil {
		return err
	}
	for _, c := range conf {
		if c.name != section || c.template {
			continue
		}
		for _, v := range variables {
			s.add(l, c.last(v))
		}
	}
	return nil
}

// permitsOf reads which networks a restricted account can be used from, where a file says
// so.
func (ast asterisk) permitsOf(ctx context.Context, l *orders.Live, t Technology, account string) error {
	roots, kind, prefix := []string{"sip.conf"}, "", ""
	if t == PJSIP {
		s, err := ast.stores(ctx)
		if err != nil {
			return err
		}
		roots, kind = append(s.endpointFiles, "pjsip_wizard.conf"), "endpoint"
	}
	for _, root := range roots {
		if root == "pjsip_wizard.conf" {
			kind, prefix = "wizard", "endpoint/"
		}
		conf, err := ast.getConfig(ctx, root)
		if err != nil {
			return err
		}
		i, err := conf.find(account, kind)
		if err != nil {
			return err
		}
		if i >= 0 {
			l.Permits[string(t)] = networksText(conf[i], prefix)
			return nil
		}
	}
	return nil
}

// networksText is the permit that Restrict would have added, in the words of an order; ""
// for none, and what the section says if it is a person's.
func networksText(c category, prefix string) string {
	var rules []ami.Field
	for _, v := range c.vars {
		if name := strings.ToLower(v.Name); name == prefix+"deny" || name == prefix+"permit" {
			rules = append(rules, ami.Field{Name: strings.TrimPrefix(name, prefix), Value: v.Value})
		}
	}
	if len(rules) >= 2 && rules[0].Value == anybody && rules[1].Value == anybody {
		rules = rules[2:] // a generator's
	}
	switch {
	case len(rules) == 0:
		return ""
	case len(rules) == 2 && rules[0].Name == "deny" && rules[0].Value == everybody && rules[1].Name == "permit":
		return strings.ReplaceAll(rules[1].Value, ",", " ")
	}
	return "rules of a person"
}

// ReloadedAt changes when Asterisk has read all of its files again, and when one of them was
// written. Asterisk does not show the reload of a single module, but something was written
// before. Its event would, but needs the class system.
func (s *standing) ReloadedAt(ctx context.Context) (string, error) {
	r, err := goami.CoreStatus(ctx, s.asterisk.session(), "")
	if err != nil {
		return "", fmt.Errorf("ask when Asterisk was reloaded: %w", err)
	}
	return r.Get("CoreReloadDate") + " " + r.Get("CoreReloadTime") + " " + r.Get("CoreStartupTime") + " " + s.editor.folder.written(), nil
}

// RestorePassword gives an account the newest password that the vault has of it, after
// another program has brought an older one back. Where the vault cannot be read by this
// machine, the account gets yet another password.
func (s *standing) RestorePassword(ctx context.Context, account string) (detail string, err error) {
	ro := &s.rotations
	secret := ""
	if v, ok := ro.o.Vault.(recalling); ok {
		if secret, err = v.Last(account); err != nil {
			return "", fmt.Errorf("put the password of %s back: %w", account, err)
		}
	}
	if secret == "" {
		return ro.Rotate(ctx, account)
	}
	if err := ro.o.Validate(); err != nil {
		return "", err
	}
	done, err := ro.editor.alone(ctx)
	if err != nil {
		return "", fmt.Errorf("put the password of %s back: %w", account, err)
	}
	defer done()
	a, err := ro.asterisk.find(ctx, account)
	if err != nil {
		return "", fmt.Errorf("put the password back: %w", err)
	}
	planned, err := ro.plan(ctx, a)
	if err != nil {
		return "", fmt.Errorf("put the password of %s back: %w", account, err)
	}
	details, err := run(ctx, planned, secret)
	if err != nil {
		return strings.Join(details, "; "), fmt.Errorf("put the password of %s back: %w", account, err)
	}
	return strings.Join(details, "; "), nil
}

// recalling is a vault that this machine can read.
type recalling interface {
	// Last is the newest secret of an account that came into force; "" for none.
	Last(account string) (secret string, err error)
}
