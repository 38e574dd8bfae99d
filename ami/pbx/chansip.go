package pbx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goami "github.com/heltonmarx/goami/ami"
)

const chanSIPModule = "chan_sip.so"

// planChanSIP prepares the rotation of a peer's section of sip.conf.
func (ro *rotations) planChanSIP(ctx context.Context, a *account) (rotation, error) {
	const root = "sip.conf"
	conf, err := ro.asterisk.getConfig(ctx, root)
	if err != nil {
		return nil, err
	}
	i, err := conf.find(a.name, "")
	if err != nil {
		return nil, err
	}
	if i < 0 {
		return nil, errors.New("the peer has no section in sip.conf (realtime or users.conf): use a rotation hook")
	}
	e := edit{root: root, section: a.name}
	return func(ctx context.Context, secret string) (string, error) {
		if e.before, err = ro.asterisk.getConfig(ctx, root); err != nil {
			return "", err
		}
		if e.index, err = e.before.find(a.name, ""); err != nil || e.index < 0 {
			return "", join(err, fmt.Errorf("section [%s] is no longer in %s", a.name, root))
		}
		e.swaps = sipSwaps(e.before, e.index, secret)
		var checked string
		live := func(ctx context.Context) (err error) {
			checked, err = ro.liveSIP(ctx, a.name, secret)
			return err
		}
		where, more, err := ro.bring(ctx, a.name, e, chanSIPModule, live)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("chan_sip peer %s in %s, %s%s", a.name, where, checked, more), nil
	}, nil
}

// sipSwaps are the variables of a peer that depend on its secret: secret, and
// md5secret, which wins over it (chan_sip.c check_auth). remotesecret is for
// calls that Asterisk itself makes and stays.
func sipSwaps(conf config, i int, secret string) []swap {
	var out []swap
	if old := conf[i].last("md5secret"); old != "" {
		realm := "asterisk"
		for _, c := range conf {
			if c.name == "general" {
				realm = cmp.Or(c.last("realm"), realm)
			}
		}
		h, _ := digest("MD5", conf[i].name, realm, secret) // MD5 is known
		out = append(out, swap{"md5secret", old, h})
	}
	if old := conf[i].last("secret"); old != "" || len(out) == 0 {
		out = append(out, swap{"secret", old, secret})
	}
	return out
}

// shownSecret is how many characters of a secret `sip show users` prints.
const shownSecret = 15

// liveSIP waits until chan_sip has the new secret and says how certain that is.
// chan_sip never shows a whole secret: SIPshowpeer says that there is one, and
// the command `sip show users` prints the beginning of it, for accounts of
// type=friend or user, which needs the write class command.
func (ro *rotations) liveSIP(ctx context.Context, name, secret string) (checked string, err error) {
	// chan_sip answers before its reload is finished, and the peers are gone for
	// a moment.
	var peer goami.Response
	there, err := eventually(ctx, ro.o.VerifyWithin, func() (bool, error) {
		var err error
		peer, err = ro.asterisk.sipPeer(ctx, name)
		return peer != nil, err
	})
	if err != nil {
		return "", fmt.Errorf("check the live secret: %w", err)
	}
	if !there {
		return "", fmt.Errorf("the live chan_sip peer %s is gone", name)
	}
	if peer.Get("MD5SecretExist") == "Y" {
		return "in force by the config file (chan_sip never shows an md5secret)", nil
	}
	const unread = "in force by the config file (the live value cannot be read"
	shown := false
	held, err := eventually(ctx, ro.o.VerifyWithin, func() (bool, error) {
		lines, err := ro.asterisk.command(ctx, "sip show users like "+userPattern(name))
		var denied *PermissionError
		if errors.As(err, &denied) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, l := range lines {
			if beginning, ok := shownUser(l, name); ok {
				shown = true
				return beginning == secret[:min(len(secret), shownSecret)], nil
			}
		}
		return !shown, nil // type=peer: not listed
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("check the live secret: %w", err)
	case !held:
		return "", fmt.Errorf("the live chan_sip peer %s does not have the new secret after %v", name, ro.o.VerifyWithin)
	case shown:
		return "live value checked", nil
	}
	// The reload runs in chan_sip's own thread; give it a moment, so that the
	// next step meets the new secret.
	if err := sleep(ctx, min(500*time.Millisecond, ro.o.VerifyWithin)); err != nil {
		return "", err
	}
	return unread + " without write class command, or the extension is no friend or user)", nil
}

// shownName is how many bytes of a name `sip show users` prints, in a column of that
// width.
const shownName = 25

// shownUser finds the beginning of a peer's secret in a line of `sip show users`, whose
// first column is its name.
func shownUser(line, name string) (secret string, ok bool) {
	column := name + strings.Repeat(" ", max(0, shownName-len(name)))
	rest, ok := strings.CutPrefix(line, column[:shownName]+" ")
	if !ok {
		return "", false
	}
	if f := strings.Fields(rest); len(f) > 0 {
		secret = f[0]
	}
	return secret, true
}

// userPattern is a regular expression that matches a name alone, as an argument of a CLI
// command.
func userPattern(name string) string {
	if checkName(name) == nil {
		return "^" + quoteERECommand(name) + "$"
	}
	return cliArgument("^" + quoteERE(name) + "$")
}

// quoteERECommand escapes a name for a regular expression inside a CLI command,
// where the CLI takes one backslash away itself: a bracket needs none.
func quoteERECommand(name string) string {
	var b strings.Builder
	for _, r := range name {
		if strings.ContainsRune(`.*+$`, r) {
			b.WriteString("[" + string(r) + "]")
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
