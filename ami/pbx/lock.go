package pbx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/orders"
)

// LockedContext is the dialplan context of a locked account. It need not exist in the
// dialplan's files: LetCallForHelp adds the emergency numbers, and every other call is
// refused. Files that have it say what else a locked account may dial.
const LockedContext = orders.LockedContext

// locks takes accounts' calls away and gives them back.
type locks struct {
	asterisk asterisk
	editor   *editor
	database database
	within   time.Duration // see Options.VerifyWithin
}

// Lock takes an account's calls away: its dialplan context becomes
// LockedContext, in Asterisk's own configuration, so that it outlives reloads
// and restarts of Asterisk and of this program. The account stays registered and
// can be called. was names the contexts before, for Unlock; also beside an error,
// when part of the change may be in effect. To undo it by hand, write them back
// and reload. A locked account is no error, and was is "".
func (l *locks) Lock(ctx context.Context, account string) (was, detail string, err error) {
	return l.moveTo(ctx, account, func(Technology) string { return LockedContext })
}

// Unlock gives an account back what Lock took; was is what Lock returned. An account that is
// gone is no error.
func (l *locks) Unlock(ctx context.Context, account, was string) (detail string, err error) {
	contexts := map[Technology]string{}
	for item := range strings.FieldsSeq(was) {
		tech, name, found := strings.Cut(item, "=")
		if !found || checkName(name) != nil {
			return "", fmt.Errorf("unlock %s: %q is not a context", account, item)
		}
		contexts[Technology(tech)] = name
	}
	_, detail, err = l.moveTo(ctx, account, func(t Technology) string { return contexts[t] })
	if errors.Is(err, ErrNoAccount) {
		_, err = l.editor.removeTraces(ctx, account)
		detail = "the extension no longer exists"
	}
	if err == nil {
		l.forget(ctx, account)
	}
	return detail, err
}

// moveTo changes the context of an account on every technology; "" leaves it.
func (l *locks) moveTo(ctx context.Context, name string, to func(Technology) string) (was, detail string, err error) {
	done, err := l.editor.alone(ctx)
	if err != nil {
		return "", "", fmt.Errorf("change the context of %s: %w", name, err)
	}
	defer done()
	a, err := l.asterisk.find(ctx, name)
	if err != nil {
		return "", "", fmt.Errorf("change the context: %w", err)
	}
	var before, details []string
	move := func(t Technology, now string, change func(ctx context.Context, name, now, to string) (string, error)) {
		target := to(t)
		if target == "" || target == now {
			return
		}
		d, cerr := change(ctx, name, now, target)
		if cerr == nil || errors.Is(cerr, ErrUncertain) {
			before = append(before, string(t)+"="+now)
		}
		if cerr != nil {
			err = join(err, cerr)
			return
		}
		details = append(details, d)
	}
	if a.endpoint != nil {
		move(PJSIP, a.endpoint.context, l.movePJSIP)
	}
	if a.peer != nil {
		move(ChanSIP, a.peer.Get("Context"), l.moveSIP)
	}
	if a.iax != nil && to(IAX2) != "" {
		err = join(err, errIAXOpen)
	}
	if err != nil {
		err = fmt.Errorf("change the context of %s: %w", name, err)
	}
	if len(details) == 0 && err == nil {
		details = []string{"it has that context already"}
	}
	return strings.Join(before, " "), strings.Join(details, "; "), err
}

// movePJSIP changes the context of an endpoint where it is set: a file,
// realtime, or the wizard.
func (l *locks) movePJSIP(ctx context.Context, name, now, to string) (string, error) {
	s, err := l.asterisk.stores(ctx)
	if err != nil {
		return "", err
	}
	live := func(ctx context.Context) error { return l.liveContext(ctx, name, to) }
	for _, root := range s.endpointFiles {
		if detail, found, err := l.moveIn(ctx, edit{root: root, section: name, kind: "endpoint"}, "context", to, pjsipModule, live); found || err != nil {
			return detail, err
		}
	}
	if s.endpointFamily != "" {
		return l.moveStored(ctx, s, name, swap{"context", now, to}, live)
	}
	detail, found, err := l.moveIn(ctx, edit{root: "pjsip_wizard.conf", section: name, kind: "wizard"}, "endpoint/context", to, pjsipModule, live)
	if !found && err == nil {
		err = fmt.Errorf("endpoint %s is in none of %s", name, strings.Join(s.endpointFiles, ", "))
	}
	return detail, err
}

// moveStored changes the context in the database. What Asterisk does not show
// then is undone: a cache would let it take effect later, unnoticed.
func (l *locks) moveStored(ctx context.Context, s sorcery, name string, c swap, live func(context.Context) error) (string, error) {
	err := l.database.realtimeUpdate(ctx, s.endpointFamily, name, c.name, c.value)
	if denied := (*PermissionError)(nil); errors.As(err, &denied) {
		return "", err // nothing was written; after a lost connection it may have been
	}
	if err == nil {
		l.database.expireCaches(ctx, s.endpointCaches, name)
		err = live(ctx)
	}
	if err != nil {
		err = l.database.realtimeUndo(ctx, s.endpointFamily, name, []swap{c}, err)
		l.database.expireCaches(context.WithoutCancel(ctx), s.endpointCaches, name)
		return "", err
	}
	return fmt.Sprintf("PJSIP endpoint in realtime family %s, live value checked", s.endpointFamily), nil
}

func (l *locks) moveSIP(ctx context.Context, name, _, to string) (string, error) {
	detail, found, err := l.moveIn(ctx, edit{root: "sip.conf", section: name}, "context", to, chanSIPModule, func(ctx context.Context) error {
		return l.liveContext(ctx, name, to)
	})
	if !found && err == nil {
		err = fmt.Errorf("the peer has no section in sip.conf (realtime or users.conf): set context = %s there and reload chan_sip", to)
	}
	return detail, err
}

// moveIn changes one variable of a section and checks it; found is false when
// the file has no such section.
func (l *locks) moveIn(ctx context.Context, e edit, variable, to, module string, live func(context.Context) error) (detail string, found bool, err error) {
	if e.before, err = l.asterisk.getConfig(ctx, e.root); err != nil {
		return "", false, err
	}
	if e.index, err = e.before.find(e.section, e.kind); err != nil || e.index < 0 {
		return "", false, err
	}
	e.swaps = []swap{{variable, e.before[e.index].last(variable), to}}
	c, err := l.editor.amend(ctx, e, to != LockedContext, fmt.Sprintf("set %s = %s in that program", variable, to))
	if err != nil {
		return "", true, err
	}
	if err := l.editor.settle(ctx, c, module, live); err != nil {
		return "", true, err
	}
	return fmt.Sprintf("%s = %s in [%s] of %s, live value checked", variable, to, e.section, c.note), true, nil
}

// liveContext waits until Asterisk itself shows the context.
func (l *locks) liveContext(ctx context.Context, name, want string) error {
	held, err := eventually(ctx, l.within, func() (bool, error) {
		if e, err := l.asterisk.endpoint(ctx, name); err != nil || e != nil && e.context == want {
			return err == nil, err
		}
		p, err := l.asterisk.sipPeer(ctx, name)
		return p != nil && p.Get("Context") == want, err
	})
	if err == nil && !held {
		err = fmt.Errorf("after %v the extension does not have it", l.within)
	}
	if err != nil {
		return fmt.Errorf("check the live context: %w", err)
	}
	return nil
}
