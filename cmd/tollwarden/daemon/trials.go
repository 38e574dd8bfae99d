package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

const (
	// trialEvery is how often it is tried whether passwords could be changed.
	trialEvery = 10 * time.Minute
	// trialSoon is the time until the first trial, by which there is a session to Asterisk,
	// and until the next after one that could not be made.
	trialSoon = 10 * time.Second
	// trialWithin bounds one.
	trialWithin = time.Minute
	// trialAccounts are tried of each kind.
	trialAccounts = 3
)

// trials finds out beforehand whether the steps that change Asterisk's files or databases
// would fail.
type trials struct {
	asterisk rehearsed
	config   func() *config.Config

	mu      sync.Mutex
	problem string
}

// rehearsed is an Asterisk on which a rotation can be tried. Nothing is changed.
type rehearsed interface {
	TryRotate(ctx context.Context, atMost int) (pbx.Trial, error)
	WrongFolder(ctx context.Context) error
}

// run tries now and then until ctx ends.
func (t *trials) run(ctx context.Context) error {
	next := trialSoon
	for {
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return nil
		}
		if next = trialEvery; !t.try(ctx) {
			next = trialSoon
		}
	}
}

// try reports whether Asterisk could be asked.
func (t *trials) try(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, trialWithin)
	defer cancel()
	problem, err := rehearse(ctx, t.asterisk, settings.StepsInUse(t.config()))
	if err != nil {
		return false // another check says what is wrong with the session
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problem = problem
	return true
}

// rehearse says which of the steps cannot work, or "".
func rehearse(ctx context.Context, asterisk rehearsed, steps []config.Step) (problem string, err error) {
	rotates := slices.Contains(steps, config.StepRotate)
	if rotates || slices.Contains(steps, config.StepLock) || slices.Contains(steps, config.StepRestrict) {
		if err := asterisk.WrongFolder(ctx); errors.Is(err, pbx.ErrWrongFolder) {
			return err.Error(), nil
		} else if err != nil {
			return "", err
		}
	}
	if !rotates {
		return "", nil
	}
	trial, err := asterisk.TryRotate(ctx, trialAccounts)
	if err != nil {
		return "", err
	}
	var problems []string
	for _, u := range trial.Hopeless {
		problems = append(problems, "rotating "+u.Account+" would fail: "+u.Reason)
	}
	return strings.Join(problems, "; "), nil
}

// check fails while a playbook has a step that cannot work.
func (t *trials) check(time.Time) control.Check {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.problem == "" {
		return control.Check{Name: "steps", OK: true, Detail: "none is known to fail"}
	}
	if t.config().Mode == config.Observe {
		return control.Check{Name: "steps", OK: true, Detail: "mode observe changes nothing by itself; in mode enforce: " + t.problem}
	}
	return control.Check{Name: "steps", Detail: t.problem}
}
