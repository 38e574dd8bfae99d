package pbx

import (
	"context"
	"errors"
	"fmt"
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
	ast := asterisk{&remembering{d: ro.asterisk.d}}
	editor := newEditor(ast, ro.o)
	editor.trial = true
	db := ro.database
	db.asterisk, db.trial = ast, true
	trial := rotations{ast, editor, db, ro.extensions, ro.o}
	if hook := trial.o.Method == Exec || trial.o.Method == Auto && len(trial.o.Hook.Command) > 0; hook {
		return nil, nil
	}
	accounts, err := inventory{ast}.Accounts(ctx)
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
	only string // the action whose answers are remembered; "": all

	mu    sync.Mutex
	known map[string]*ami.Response
}

// Do answers from memory what was asked before and answered well.
func (r *remembering) Do(ctx context.Context, a ami.Action) (*ami.Response, error) {
	if r.only != "" && a.Name != r.only {
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
