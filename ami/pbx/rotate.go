package pbx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// rotations gives accounts new secrets.
type rotations struct {
	asterisk asterisk
	editor   *editor
	database database
	// extensions are FreePBX's or Issabel's, if it generates the files.
	extensions extensions
	o          Options
}

// Rotate gives the account a new secret, on every technology it exists on, and
// proves that it is in force. The secret goes to the vault before Asterisk is
// touched. When the rotation fails the old secret is in force again, unless the
// error is an ErrUncertain. detail says in one line what was changed, where, and
// how it was checked; never the secret.
//
// Registrations and calls under way survive a rotation: RemoveRegistrations and
// Hangup end them.
func (ro *rotations) Rotate(ctx context.Context, account string) (detail string, err error) {
	detail, err = ro.rotate(ctx, account)
	switch {
	case err == nil, errors.Is(err, ErrUncertain), errors.Is(err, ErrNoAccount), errors.Is(err, ErrUnsafeName):
		return detail, err
	case detail != "":
		return detail, fmt.Errorf("%w; there, the old password is still valid", err)
	}
	return detail, fmt.Errorf("%w; the old password is still valid", err)
}

func (ro *rotations) rotate(ctx context.Context, account string) (detail string, err error) {
	if err := ro.o.Validate(); err != nil {
		return "", err
	}
	if ro.o.Vault == nil {
		return "", errors.New("rotate: no vault to keep the new secret in: set rotate.store")
	}
	done, err := ro.editor.alone(ctx)
	if err != nil {
		return "", fmt.Errorf("rotate %s: %w", account, err)
	}
	defer done()
	a, err := ro.asterisk.find(ctx, account)
	if err != nil {
		return "", fmt.Errorf("rotate: %w", err)
	}
	planned, err := ro.plan(ctx, a)
	if err != nil {
		return "", fmt.Errorf("rotate %s: %w", account, err)
	}
	secret, err := newSecret(ro.o.SecretLength)
	if err != nil {
		return "", fmt.Errorf("rotate %s: %w", account, err)
	}
	entry := Entry{At: time.Now(), Account: account, Secret: secret}
	if err := ro.o.Vault.Keep(entry); err != nil {
		return "", fmt.Errorf("rotate %s: keep the new secret: %w; nothing was changed", account, err)
	}
	details, err := run(ctx, planned, secret)
	if err != nil {
		if len(details) == 0 && !errors.Is(err, ErrUncertain) {
			err = join(err, ro.o.Vault.Void(entry))
		}
		return strings.Join(details, "; "), fmt.Errorf("rotate %s: %w", account, err)
	}
	return strings.Join(details, "; ") + "; secret kept in " + ro.o.Vault.String(), nil
}

// rotation brings a secret into force in one place and says where.
type rotation func(ctx context.Context, secret string) (detail string, err error)

// run runs all rotations, also after one failed: each that succeeds locks the
// attacker out of one more place.
func run(ctx context.Context, rotations []rotation, secret string) (details []string, err error) {
	for _, r := range rotations {
		detail, rerr := r(ctx, secret)
		if rerr != nil {
			err = join(err, rerr)
			continue
		}
		details = append(details, detail)
	}
	return details, err
}

// plan chooses how to rotate. It changes nothing.
func (ro *rotations) plan(ctx context.Context, a *account) ([]rotation, error) {
	if ro.byHook() {
		return []rotation{ro.hookRotation(a)}, nil
	}
	var rs []rotation
	if a.endpoint != nil && ro.o.Method != ChanSIPFile && ro.o.Method != IAX2File {
		pj, err := ro.planPJSIP(ctx, a)
		if err != nil {
			return nil, err
		}
		rs = append(rs, pj...)
	}
	if a.peer != nil && (ro.o.Method == Auto || ro.o.Method == ChanSIPFile || ro.o.Method == FreePBX) {
		sip, err := ro.planChanSIP(ctx, a)
		if err != nil {
			return nil, err
		}
		rs = append(rs, sip)
	}
	if a.iax != nil && (ro.o.Method == Auto || ro.o.Method == IAX2File) {
		iax, err := ro.planIAX(ctx, a)
		if err != nil && len(rs) == 0 {
			return nil, err
		}
		if err != nil { // what can be changed is changed all the same
			iax = []rotation{func(context.Context, string) (string, error) { return "", err }}
		}
		rs = append(rs, iax...)
	}
	if len(rs) == 0 {
		return nil, fmt.Errorf("rotation method %q does not apply: the extension is %s", ro.o.Method, a.technologies())
	}
	return rs, nil
}

// hookRotation leaves the change to the operator's command and then looks at
// what Asterisk has.
func (ro *rotations) hookRotation(a *account) rotation {
	return func(ctx context.Context, secret string) (string, error) {
		detail := "hook " + ro.o.Hook.Command[0]
		if err := ro.o.Hook.run(ctx, a.name, secret); err != nil {
			// It may have failed after its work was done.
			return "", fmt.Errorf("%w: %w", err, ErrUncertain)
		}
		checked, err := ro.live(ctx, a, secret)
		if err != nil {
			return "", fmt.Errorf("%s ended well, but %w: %w", detail, err, ErrUncertain)
		}
		return detail + ", " + checked, nil
	}
}

// live waits until everything of the account has the secret.
func (ro *rotations) live(ctx context.Context, a *account, secret string) (checked string, err error) {
	if a.endpoint != nil {
		for _, au := range a.endpoint.auths {
			if err := ro.liveAuth(ctx, a.name, au.name, secret); err != nil {
				return "", err
			}
		}
		checked = "live value checked"
	}
	if a.peer != nil {
		if checked, err = ro.liveSIP(ctx, a.name, secret); err != nil {
			return "", err
		}
	}
	if a.iax != nil {
		return ro.liveIAX(ctx, a.name, secret)
	}
	return checked, nil
}
