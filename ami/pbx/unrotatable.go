package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tollwarden/tollwarden/ami"
)

// Unrotatable is an account whose password Rotate cannot change, and why.
type Unrotatable struct {
	Account, Reason string
}

// errTrial ends a rotation where it would write.
var errTrial = errors.New("not written: a trial")

// Unrotatable tries to rotate each account that logs in, up to where the first file or row
// would be written, and lists those for which that fails. A hook is not tried. It changes
// nothing.
func (ro *rotations) Unrotatable(ctx context.Context) ([]Unrotatable, error) {
	trial := ro.trial()
	if trial.byHook() {
		return nil, nil
	}
	accounts, err := inventory{trial.asterisk}.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	var out []Unrotatable
	tried := map[string]bool{}
	for _, a := range accounts {
		if !a.Login || tried[a.Name] {
			continue
		}
		tried[a.Name] = true
		err := trial.try(ctx, a.Name)
		if ctx.Err() != nil {
			return out, fmt.Errorf("try to rotate %s: %w", a.Name, err)
		}
		if err != nil {
			out = append(out, Unrotatable{a.Name, err.Error()})
		}
	}
	return out, nil
}

// trial is the same, but writes nothing.
func (ro *rotations) trial() rotations {
	ast := asterisk{&remembering{d: ro.asterisk.d}}
	editor := newEditor(ast, ro.o)
	editor.trial = true
	return rotations{ast, editor, database{asterisk: ast, within: ro.o.VerifyWithin, trial: true}, ro.o}
}

func (ro *rotations) byHook() bool {
	return ro.o.Method == Exec || ro.o.Method == Auto && len(ro.o.Hook.Command) > 0
}

// Rotatable says why an account's password cannot be changed, as far as that shows without
// writing anything.
func (ro *rotations) Rotatable(ctx context.Context, account string) error {
	trial := ro.trial()
	if trial.byHook() {
		return nil
	}
	return trial.try(ctx, account)
}

// try says why an account cannot be rotated, or returns nil.
func (ro *rotations) try(ctx context.Context, name string) error {
	a, err := ro.asterisk.find(ctx, name)
	if err != nil {
		return err
	}
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
