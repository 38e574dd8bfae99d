package pbx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
)

// A locked account can call for help: LockedContext sends emergency numbers, and nothing
// else, on to the context that the account had before. Asterisk's own database remembers
// which that was, so that a context of the dialplan's files can do the same:
//
//	[tollwarden-locked]
//	exten => 112,1,GotoIf($["${DB(tollwarden-locked/${CHANNEL:0:-9})}" != ""]?${DB(tollwarden-locked/${CHANNEL:0:-9})},112,1)
//
// What is added over AMI lasts until the dialplan is loaded again.

// HelpActions are what LetCallForHelp and the end of a lock need.
var HelpActions = []string{"DBDel", "DBPut", "DialplanExtensionAdd", "ShowDialPlan"}

// formerContext is, in the dialplan, the context that the calling account had before it
// was locked: of PJSIP/1002-0000001f, the key is PJSIP/1002.
const formerContext = "${DB(" + LockedContext + "/${CHANNEL:0:-9})}"

// LetCallForHelp makes sure that locked accounts can dial these emergency numbers. locked has
// what Lock returned for each. An extension that LockedContext has already stays as it is. It
// leaves out accounts without a context of their own, as those of chan_iax2 are. It needs the
// write class system.
func (l *locks) LetCallForHelp(ctx context.Context, numbers []string, locked map[string]string) error {
	for account, was := range locked {
		for item := range strings.FieldsSeq(was) {
			tech, former, found := strings.Cut(item, "=")
			if !found || checkName(former) != nil || strings.ContainsAny(former, "$:") { // which GotoIf reads
				continue
			}
			if _, err := goami.DBPut(ctx, l.asterisk.session(), "", LockedContext, tech+"/"+account, former); err != nil {
				return fmt.Errorf("remember the context of %s: %w", account, err)
			}
		}
	}
	there, err := l.asterisk.extensions(ctx, LockedContext)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if slices.Contains(there, number) {
			continue
		}
		_, err := goami.DialplanExtensionAdd(ctx, l.asterisk.session(), "", goami.ExtensionData{
			Context: LockedContext, Extension: number, Priority: "1",
			Application: "GotoIf", ApplicationData: fmt.Sprintf(`$["%s" != ""]?%s,%s,1`, formerContext, formerContext, number),
		})
		if err != nil && !answered(err, "That extension and priority already exist") {
			return fmt.Errorf("add %s to the context %s: %w", number, LockedContext, err)
		}
	}
	return nil
}

// forget removes what LetCallForHelp put into Asterisk's database about an account that is no
// longer locked. An error does no harm: the context is only read while the account is locked.
func (l *locks) forget(ctx context.Context, account string) {
	for _, tech := range []Technology{PJSIP, ChanSIP} {
		_, _ = goami.DBDel(ctx, l.asterisk.session(), "", LockedContext, string(tech)+"/"+account)
	}
}

// extensions lists the extensions of a context and of those that it includes, each once
// for a priority; none if there is no such context.
func (ast asterisk) extensions(ctx context.Context, name string) (list []string, err error) {
	r, err := ast.do(ctx, ami.ShowDialplan(name))
	if answered(err, "Did not find context") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the context %s: %w", name, err)
	}
	for _, item := range r.Events {
		if extension := item.Get("Extension"); extension != "" {
			list = append(list, strings.Clone(extension))
		}
	}
	return list, nil
}
