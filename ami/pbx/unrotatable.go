package pbx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tollwarden/tollwarden/ami"
)

// Unrotatable is an account whose password Rotate cannot change, and why.
type Unrotatable struct {
	Account, Reason string
}

// Trial is what came of trying to rotate accounts.
type Trial struct {
	Failed []Unrotatable
	// Hopeless are kinds of accounts of which none that was tried can be rotated, each
	// with the first reason.
	Hopeless []Unrotatable
}

// errTrial ends a rotation where it would write.
var errTrial = errors.New("not written: a trial")

// everyAccount lets TryRotate look at all accounts.
const everyAccount = 0

// Unrotatable is TryRotate of each account.
func (ro *rotations) Unrotatable(ctx context.Context) ([]Unrotatable, error) {
	t, err := ro.TryRotate(ctx, everyAccount)
	return t.Failed, err
}

// TryRotate tries to rotate accounts that log in, up to where the first file or row would
// be written: at most so many of each kind, or all if that is 0. A hook is not run, only
// looked for, and asked if it is behind a socket. It changes nothing.
func (ro *rotations) TryRotate(ctx context.Context, atMost int) (out Trial, err error) {
	trial := ro.trial()
	if trial.byHook() {
		if err := trial.o.Hook.Ping(ctx); err != nil {
			out.Hopeless = []Unrotatable{{"any extension", err.Error()}}
		}
		return out, nil
	}
	accounts, err := inventory{trial.asterisk}.Accounts(ctx)
	if err != nil {
		return out, fmt.Errorf("list the extensions: %w", err)
	}
	tried, kinds := map[string]bool{}, map[string]*kindTrial{}
	for _, a := range accounts {
		if !a.Login || tried[a.Name] {
			continue
		}
		tried[a.Name] = true
		kind, err := trial.try(ctx, a.Name, func(kind string) bool { return atMost > 0 && kinds[kind] != nil && kinds[kind].tried >= atMost })
		if ctx.Err() != nil {
			return out, fmt.Errorf("try to rotate %s: %w", a.Name, err)
		}
		if errors.Is(err, errEnough) {
			continue
		}
		if err != nil {
			out.Failed = append(out.Failed, Unrotatable{a.Name, err.Error()})
		}
		if errors.Is(err, errNotExtension) {
			continue // a person's to change, whatever works here
		}
		if kinds[kind] == nil {
			kinds[kind] = &kindTrial{}
		}
		kinds[kind].add(a.Name, err)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if k := kinds[kind]; len(k.failed) == k.tried {
			out.Hopeless = append(out.Hopeless, k.failed[0])
		}
	}
	return out, nil
}

// trial are rotations that stop before they write anything.
func (ro *rotations) trial() rotations {
	ast := asterisk{&remembering{d: ro.asterisk.d}}
	editor := newEditor(ast, ro.o)
	editor.trial = true
	db := ro.database
	db.asterisk, db.trial = ast, true
	return rotations{ast, editor, db, ro.extensions, ro.o}
}

func (ro *rotations) byHook() bool {
	return ro.o.Method == Exec || ro.o.Method == Auto && len(ro.o.Hook.Command) > 0
}

// Rotatable says why an account's password cannot be changed, as far as that shows without
// writing anything.
func (ro *rotations) Rotatable(ctx context.Context, account string) error {
	trial := ro.trial()
	if trial.byHook() {
		return trial.o.Hook.Check()
	}
	_, err := trial.try(ctx, account, func(string) bool { return false })
	return err
}

// kindTrial counts the accounts of a kind.
type kindTrial struct {
	tried  int
	failed []Unrotatable
}

func (k *kindTrial) add(account string, err error) {
	if k.tried++; err != nil {
		k.failed = append(k.failed, Unrotatable{account, err.Error()})
	}
}

// errEnough says that enough accounts of a kind have been tried.
var errEnough = errors.New("enough of this kind")

// try says why an account cannot be rotated, or returns nil, and what kind of account it
// is.
func (ro *rotations) try(ctx context.Context, name string, enough func(kind string) bool) (kind string, err error) {
	a, err := ro.asterisk.find(ctx, name)
	if err != nil {
		return "", err
	}
	kind = a.technologies()
	if enough(kind) {
		return kind, errEnough
	}
	return kind, ro.tryAccount(ctx, a)
}

func (ro *rotations) tryAccount(ctx context.Context, a *account) error {
	planned, err := ro.plan(ctx, a)
	if err != nil {
		return err
	}
	for _, r := range planned {
		if _, err := r(ctx, strings.Repeat("x", ro.o.SecretLength)); !errors.Is(err, errTrial) {
			return err
		}
	}
	return nil
}

// remembering asks a question once. It is for questions about many accounts of one file.
type remembering struct {
	d    ami.Doer
	only []string // the actions whose answers are remembered; nil: all

	mu    sync.Mutex
	known map[string]*ami.Response
}

// Do answers from memory what was asked before and answered well.
func (r *remembering) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	if r.only != nil && !slices.Contains(r.only, a.Name) {
		return r.d.Do(ctx, a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := fmt.Sprintf("%s %q", a.Name, a.Fields)
	if answer, known := r.known[key]; known {
		return answer, nil
	}
	answer, err := r.d.Do(ctx, a)
	if err == nil {
		if r.known == nil {
			r.known = map[string]*ami.Response{}
		}
		r.known[key] = answer
	}
	return answer, err
}
