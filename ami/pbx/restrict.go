package pbx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// everybody is what a restricted account's deny holds: both address families,
// since a rule of one says nothing about the other (main/acl.c).
const everybody = "0.0.0.0/0,::/0"

// restrictions limits accounts to networks and ends that again.
type restrictions struct {
	asterisk asterisk
	editor   *editor
	database database
	within   time.Duration // see Options.VerifyWithin
}

// Restrict lets an account be used from these networks alone: two lines, deny
// and permit, at the end of its section, in Asterisk's own configuration, or in
// the file that a generator of such files leaves to a person. Anybody else is
// refused, with the right password too. Calls and registrations under way are not
// touched. The lines are added to the file by this process and never by
// UpdateConfig, so that Unrestrict can take exactly them away again. An account
// with a deny or permit of its own is left alone, which is an error; one that is
// restricted to the same networks already is not.
func (res *restrictions) Restrict(ctx context.Context, account string, to []netip.Prefix) (detail string, err error) {
	if len(to) == 0 {
		return "", fmt.Errorf("restrict %s: no network is given: lock it instead", account)
	}
	detail, err = res.setRules(ctx, account, rules{to, true})
	if err != nil {
		return detail, fmt.Errorf("restrict %s: %w", account, err)
	}
	return detail, nil
}

// Unrestrict takes away what Restrict added. What a person has changed of it
// since stays. An account that has gone is no error.
func (res *restrictions) Unrestrict(ctx context.Context, account string, to []netip.Prefix) (detail string, err error) {
	detail, err = res.setRules(ctx, account, rules{to, false})
	if errors.Is(err, ErrNoAccount) {
		_, err = res.editor.removeTraces(ctx, account)
		return "the extension no longer exists", err
	}
	if err != nil {
		return detail, fmt.Errorf("end the restriction of %s: %w", account, err)
	}
	return detail, nil
}

// rules are the networks of a restriction, and whether it is to be there.
type rules struct {
	to []netip.Prefix
	up bool
}

func (r rules) permit() string {
	words := make([]string, len(r.to))
	for i, p := range r.to {
		words[i] = p.String()
	}
	return strings.Join(words, ",")
}

// setRules puts the rules up, or takes them down, on every technology.
func (res *restrictions) setRules(ctx context.Context, name string, r rules) (string, error) {
	done, err := res.editor.alone(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	a, err := res.asterisk.find(ctx, name)
	if err != nil {
		return "", err
	}
	var details []string
	var errs []error
	add := func(detail string, err error) {
		if errs = append(errs, err); err == nil {
			details = append(details, detail)
		}
	}
	if a.endpoint != nil {
		add(res.setPJSIPRules(ctx, name, r))
	}
	if a.peer != nil {
		add(res.setSIPRules(ctx, name, r))
	}
	if a.iax != nil && r.up {
		errs = append(errs, errIAXUnrestricted)
	}
	return strings.Join(details, "; "), join(errs...)
}

func (res *restrictions) setPJSIPRules(ctx context.Context, name string, r rules) (string, error) {
	s, err := res.asterisk.stores(ctx)
	if err != nil {
		return "", err
	}
	live := func(ctx context.Context, want bool) error {
		return res.liveRules(ctx, want, func() (bool, bool, error) {
			e, err := res.asterisk.endpoint(ctx, name)
			return e != nil, e != nil && strings.Contains(e.acl, "deny/permit"), err
		})
	}
	for _, root := range s.endpointFiles {
		e := edit{root: root, section: name, kind: "endpoint", direct: true}
		if detail, found, err := res.setRulesIn(ctx, e, "", r, pjsipModule, live); found || err != nil {
			return detail, err
		}
	}
	e := edit{root: "pjsip_wizard.conf", section: name, kind: "wizard", direct: true}
	detail, found, err := res.setRulesIn(ctx, e, "endpoint/", r, pjsipModule, live)
	switch {
	case found || err != nil:
		return detail, err
	case s.endpointFamily != "" && (r.up || res.database.rows != nil):
		return res.setRowRules(ctx, s, name, r, live)
	case !r.up:
		return "the endpoint is in no config file, so nothing restricts it", nil
	}
	return "", errNoDatabase
}

func (res *restrictions) setSIPRules(ctx context.Context, name string, r rules) (string, error) {
	live := func(ctx context.Context, want bool) error {
		return res.liveRules(ctx, want, func() (bool, bool, error) {
			p, err := res.asterisk.sipPeer(ctx, name)
			return p != nil, p.Get("ACL") == "Y", err
		})
	}
	e := edit{root: "sip.conf", section: name, direct: true}
	detail, found, err := res.setRulesIn(ctx, e, "", r, chanSIPModule, live)
	if !found && err == nil && !r.up {
		return "the peer has no section in sip.conf, so nothing restricts it", nil
	}
	if !found && err == nil {
		err = errors.New("the peer has no section in sip.conf (realtime or users.conf): set its deny and permit there")
	}
	return detail, err
}

// setRulesIn changes one section and checks it; found is false when the file has
// no such section.
func (res *restrictions) setRulesIn(ctx context.Context, e edit, prefix string, r rules, module string, live func(ctx context.Context, want bool) error) (detail string, found bool, err error) {
	if e.before, err = res.asterisk.getConfig(ctx, e.root); err != nil {
		return "", false, err
	}
	if e.index, err = e.before.find(e.section, e.kind); err != nil || e.index < 0 {
		return "", false, err
	}
	there, was, err := res.rulesOf(e, prefix)
	if err != nil {
		return "", true, err
	}
	ours := slices.Equal(there, []ami.Field{{Name: prefix + "deny", Value: everybody}, {Name: prefix + "permit", Value: r.permit()}})
	none := len(there) == 0
	switch {
	case r.up && ours:
		return "limited to its known networks already", true, nil
	case r.up && !none:
		return "", true, errors.New("it has a deny or permit of its own: change them by hand, or leave restrict out of the playbook")
	case !r.up && none:
		return "it was not limited any more", true, nil
	case !r.up && !ours:
		return "somebody else changed its deny and permit, which stay", true, nil
	case r.up:
		e.swaps = []swap{{prefix + "deny", "", everybody}, {prefix + "permit", "", r.permit()}}
	default:
		e.swaps = []swap{{prefix + "deny", everybody, was}, {prefix + "permit", r.permit(), was}}
	}
	change, err := res.editor.amend(ctx, e, !r.up, "set the extension's deny and permit there, or leave restrict out of the playbook")
	if err != nil {
		return "", true, err
	}
	// An ACL of acl.conf shows alike, and stays.
	want, proof := r.up || e.kind == "" && e.before[e.index].last("acl") != "", "live value checked"
	if was != "" { // so do rules for anybody
		want, proof = true, "reloaded"
	}
	if err := res.editor.settle(ctx, change, module, func(ctx context.Context) error { return live(ctx, want) }); err != nil {
		return "", true, err
	}
	what := "restriction lifted: deny and permit removed from"
	if r.up {
		what = "limited to " + strings.ReplaceAll(r.permit(), ",", ", ") + ": deny and permit in"
	}
	return fmt.Sprintf("%s [%s] of %s, %s", what, e.section, change.note, proof), true, nil
}

// anybody is what FreePBX gives a chan_sip peer that nobody restricts, as its
// deny and then as its permit.
const anybody = "0.0.0.0/0.0.0.0"

// rulesOf are a section's deny and permit in order, without such a pair at the
// beginning of a generated one: was is its value, or "".
func (res *restrictions) rulesOf(e edit, prefix string) (there []ami.Field, was string, err error) {
	for _, v := range e.before[e.index].vars {
		if name := strings.ToLower(v.Name); name == prefix+"deny" || name == prefix+"permit" {
			there = append(there, ami.Field{Name: name, Value: v.Value})
		}
	}
	if len(there) < 2 || !slices.Equal(there[:2], []ami.Field{{Name: prefix + "deny", Value: anybody}, {Name: prefix + "permit", Value: anybody}}) {
		return there, "", nil
	}
	_, p, err := res.editor.placeOf(e)
	if err != nil || !p.file.generated(res.editor.declared) {
		return there, "", err
	}
	return there[2:], anybody, nil
}

// liveRules waits until Asterisk itself shows that the account has rules, or
// that it has none.
func (res *restrictions) liveRules(ctx context.Context, want bool, look func() (there, restricted bool, err error)) error {
	held, err := eventually(ctx, res.within, func() (bool, error) {
		there, restricted, err := look()
		return there && restricted == want, err
	})
	if err == nil && !held {
		err = fmt.Errorf("after %v the extension does not show it", res.within)
	}
	if err != nil {
		return fmt.Errorf("check the live rules: %w", err)
	}
	return nil
}
