package pbx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/places"
)

const (
	iaxFile   = "iax.conf"
	iaxModule = "chan_iax2.so"
)

// iaxKinds are the types of sections that callers log in with. A user calls, a peer
// registers and is called, a friend does both.
var iaxKinds = []string{"friend", "user", "peer"}

// iaxAccount is an account of chan_iax2.
type iaxAccount struct {
	peer    bool           // it can be called; AMI lists no others
	dynamic bool           // it registers; otherwise its address is fixed, or it only calls
	at      netip.AddrPort // where it is registered, or fixed; invalid if it is not
}

// iaxAccount looks for an account of chan_iax2; nil if there is none, or the module is
// not loaded. No action shows one account, so it looks at all of them.
func (ast asterisk) iaxAccount(ctx context.Context, name string) (*iaxAccount, error) {
	if !slices.Contains(ast.loaded(ctx), IAX2) {
		return nil, nil
	}
	peers, err := ast.iaxPeers(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		if p.Get("ObjectName") == name {
			return &iaxAccount{peer: true, dynamic: p.Get("Dynamic") == "yes", at: iaxAddress(p)}, nil
		}
	}
	conf, err := ast.getConfig(ctx, iaxFile)
	var denied *PermissionError
	if errors.As(err, &denied) {
		return nil, nil // only peers can be seen
	}
	if err != nil {
		return nil, err
	}
	if len(iaxSections(conf, name)) == 0 {
		return nil, nil
	}
	return &iaxAccount{}, nil
}

// iaxPeers lists chan_iax2's peers: ObjectName, Dynamic, IPaddress and Port.
func (ast asterisk) iaxPeers(ctx context.Context) ([]goami.Response, error) {
	peers, err := goami.IAXpeerlist(ctx, ast.session("ObjectName", "Dynamic", "IPaddress", "Port"), "")
	if unknownAction(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list IAX2 peers: %w", err)
	}
	return named(peers), nil
}

// iaxAddress is where a peer is registered, or its fixed address.
func iaxAddress(p goami.Response) netip.AddrPort {
	if !once(p, "IPaddress", "Port") {
		return netip.AddrPort{}
	}
	return addrPort(p.Get("IPaddress"), p.Get("Port"))
}

// iaxSections are the indexes of the sections that callers log in with by this name.
func iaxSections(conf config, name string) (at []int) {
	for i, c := range conf {
		if c.name == name && c.name != "general" && slices.ContainsFunc(iaxKinds, c.is) {
			at = append(at, i)
		}
	}
	return at
}

// iaxAccounts lists the accounts of chan_iax2. Those that do not register are trunks,
// as with chan_sip, until one calls from an address that the configuration does not
// name.
func (i inventory) iaxAccounts(ctx context.Context) ([]calls.Account, error) {
	peers, err := i.asterisk.iaxPeers(ctx)
	if err != nil {
		return nil, err
	}
	var out []calls.Account
	listed := map[string]bool{}
	for _, p := range peers {
		out = append(out, calls.Account{Name: own(p, "ObjectName"), Login: p.Get("Dynamic") == "yes", Unannounced: true})
		listed[p.Get("ObjectName")] = true
	}
	conf, err := i.asterisk.getConfig(ctx, iaxFile)
	var denied *PermissionError
	if err != nil && !errors.As(err, &denied) {
		return nil, err
	}
	for _, c := range conf {
		if !listed[c.name] && len(iaxSections(config{c}, c.name)) > 0 {
			out = append(out, calls.Account{Name: strings.Clone(c.name), Unannounced: true})
			listed[c.name] = true
		}
	}
	return out, nil
}

// UnannouncedContacts lists the registrations of chan_iax2. It raises no event for them,
// so that they have to be looked for.
func (i inventory) UnannouncedContacts(ctx context.Context) ([]places.Contact, error) {
	peers, err := i.asterisk.iaxPeers(ctx)
	if err != nil {
		return nil, err
	}
	var out []places.Contact
	for _, p := range peers {
		if at := iaxAddress(p); p.Get("Dynamic") == "yes" && at.IsValid() {
			out = append(out, places.Contact{Account: own(p, "ObjectName"), Source: at.Addr(), Port: at.Port()})
		}
	}
	return out, nil
}

// expireIAX ends a peer's registration and checks that its address is gone. Only a CLI
// command does that; without it, the registration ends by itself.
func (r *registrations) expireIAX(ctx context.Context, name string) (int, error) {
	n := 0
	for round := range r.rounds {
		if err := pause(ctx, round); err != nil {
			return n, err
		}
		a, err := r.asterisk.iaxAccount(ctx, name)
		if err != nil {
			return n, err
		}
		if a == nil || !a.dynamic || !a.at.IsValid() {
			return n, nil
		}
		_, err = r.asterisk.command(ctx, "iax2 unregister "+cliArgument(name))
		var denied *PermissionError
		if errors.As(err, &denied) {
			return n, fmt.Errorf("%w; without it, the registration from %s stays until it expires, and a changed secret keeps it from being renewed", err, a.at.Addr())
		}
		if err != nil {
			return n, err
		}
		n = 1
	}
	return n, errComingBack
}

// planIAX prepares the rotation of an account's sections of iax.conf: a user and a peer
// may have one each.
func (ro *rotations) planIAX(ctx context.Context, a *account) ([]rotation, error) {
	conf, err := ro.asterisk.getConfig(ctx, iaxFile)
	if err != nil {
		return nil, err
	}
	var rs []rotation
	for _, i := range iaxSections(conf, a.name) {
		if err := iaxKeeps(conf, conf[i]); err != nil {
			return nil, err
		}
		rs = append(rs, ro.iaxRotation(a, edit{root: iaxFile, section: a.name, kind: conf[i].last("type")}))
	}
	if len(rs) == 0 {
		return nil, errors.New("the IAX2 user has no section in iax.conf (realtime or users.conf): use a rotation hook")
	}
	return rs, nil
}

// iaxKeeps says why the secret of a section cannot be changed, or returns nil.
func iaxKeeps(conf config, c category) error {
	host := c.last("host")
	from := slices.IndexFunc(conf, func(t category) bool {
		return t.template && slices.Contains(list(c.templates), t.name) && t.last("secret") != ""
	})
	switch {
	case c.last("dbsecret") != "":
		return fmt.Errorf("its IAX2 secret is in Asterisk's database (dbsecret = %s), which wins over iax.conf: use a rotation hook", c.last("dbsecret"))
	case c.last("secret") == "" && c.last("inkeys") != "":
		return fmt.Errorf("it logs in over IAX2 with a key (inkeys = %s) and has no secret: replace the key by hand", c.last("inkeys"))
	case c.last("secret") == "":
		return errors.New("it has no secret in iax.conf, so anybody may use it: set one")
	case from >= 0: // chan_iax2 takes every secret line of a section (build_peer, build_user)
		return fmt.Errorf("its section of iax.conf has a secret from the template [%s], which would stay valid beside the new one: move the secret into the section itself", conf[from].name)
	case len(c.values("secret")) > 1:
		return errors.New("its section of iax.conf has several secrets, which are all valid: leave one")
	case !strings.EqualFold(c.last("type"), "user") && host != "" && !strings.EqualFold(host, "dynamic"):
		return fmt.Errorf("its IAX2 secret is also the one that this PBX sends to host = %s: change it at both ends", host)
	}
	return nil
}

// iaxRotation changes one section, reloads and checks.
func (ro *rotations) iaxRotation(a *account, e edit) rotation {
	return func(ctx context.Context, secret string) (string, error) {
		var err error
		if e.before, err = ro.asterisk.getConfig(ctx, iaxFile); err != nil { // another rotation may have come first
			return "", err
		}
		if e.index, err = e.before.find(e.section, e.kind); err != nil || e.index < 0 {
			return "", join(err, fmt.Errorf("section [%s] is no longer in %s", e.section, iaxFile))
		}
		e.swaps = []swap{{"secret", e.before[e.index].last("secret"), secret}}
		c, err := ro.editor.apply(ctx, e)
		if err != nil {
			return "", err
		}
		var checked string
		err = ro.editor.settle(ctx, c, iaxModule, func(ctx context.Context) (err error) {
			checked, err = ro.liveIAX(ctx, a.name, secret)
			return err
		})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("IAX2 %s %s in %s, %s", strings.ToLower(e.kind), a.name, c.note, checked), nil
	}
}

// Columns of `iax2 show users` in bytes, each with two blanks after it but the first,
// which has that after its width (chan_iax2.c handle_cli_iax2_show_users).
const (
	iaxShownName   = 15
	iaxShownSecret = 20
)

// liveIAX waits until chan_iax2 has the new secret, and says how certain that is:
// only the command `iax2 show users` shows secrets, and only of a friend or a user.
func (ro *rotations) liveIAX(ctx context.Context, name, secret string) (checked string, err error) {
	const unread = "in force by the config file (the live value cannot be read"
	shown, refused := false, false
	held, err := eventually(ctx, ro.o.VerifyWithin, func() (bool, error) {
		lines, err := ro.asterisk.command(ctx, "iax2 show users like "+userPattern(name))
		var denied *PermissionError
		if refused = errors.As(err, &denied); refused {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, l := range lines {
			beginning, ok := shownIAXUser(l, name)
			if ok && beginning != "" && !strings.HasPrefix(beginning, "Key: ") { // else it has no secret, but a key or dbsecret
				shown = true
				return beginning == secret[:min(len(secret), iaxShownSecret)], nil
			}
		}
		return !shown, nil // a peer: not listed
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("check the live secret: %w", err)
	case !held:
		return "", fmt.Errorf("the live IAX2 user %s does not have the new secret after %v", name, ro.o.VerifyWithin)
	case shown:
		return "live value checked", nil
	case refused:
		return unread + " without write class command)", nil
	}
	return unread + ": the extension is no friend or user)", nil
}

// shownIAXUser finds the beginning of a secret in a line of `iax2 show users`.
func shownIAXUser(line, name string) (secret string, ok bool) {
	column := name + strings.Repeat(" ", max(0, iaxShownName-len(name)))
	rest, ok := strings.CutPrefix(line, column[:iaxShownName]+"  ")
	if !ok || len(rest) < iaxShownSecret {
		return "", false
	}
	return strings.TrimRight(rest[:iaxShownSecret], " "), true
}

// errIAXOpen says what a lock cannot do.
var errIAXOpen = errors.New("its IAX2 side cannot be locked in Asterisk: iax.conf may allow a caller several contexts")

// errIAXUnrestricted says what a restriction cannot do.
var errIAXUnrestricted = errors.New("its IAX2 side cannot be limited to networks: set deny and permit in its section of iax.conf")
