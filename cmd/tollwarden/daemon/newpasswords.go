package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// settleEvery is how often new passwords over generated files are looked at.
	settleEvery = time.Minute
	// settleAfter is how long after a reload they are looked at again: files that were
	// just written are not believed.
	settleAfter = 2500 * time.Millisecond
	// settleWithin bounds one look, a reload of Asterisk included.
	settleWithin = 30 * time.Second
)

// newPasswords looks after passwords that are in force over files which FreePBX or Issabel
// generates: until its database and those files have them.
type newPasswords struct {
	settle func(ctx context.Context) ([]pbx.NewPassword, error)
	soonC  chan struct{}
	log    zerolog.Logger

	mu   sync.Mutex
	left []pbx.NewPassword
	err  error
}

// soon has them looked at once the files that Asterisk has just read are believed: a person
// may have chosen another password. It does not wait.
func (n *newPasswords) soon() {
	select {
	case n.soonC <- struct{}{}:
	default:
	}
}

// run looks at the start, after each reload and every minute, until ctx ends.
func (n *newPasswords) run(ctx context.Context) error {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	after := time.NewTimer(settleAfter)
	defer after.Stop()
	n.look(ctx)
	for {
		select {
		case <-n.soonC:
			after.Reset(settleAfter)
			continue
		case <-after.C:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		n.look(ctx)
	}
}

func (n *newPasswords) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	left, err := n.settle(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(left) != len(n.left) || (err == nil) != (n.err == nil) {
		n.log.Info().Err(err).Int("left", len(left)).Msg("new passwords that the files of FreePBX do not have yet")
	}
	n.left, n.err = left, err
}

// check fails while a database does not have a password that it should have: a person who
// looks at the extension there sees the old one.
func (n *newPasswords) check(time.Time) control.Check {
	n.mu.Lock()
	defer n.mu.Unlock()
	check := control.Check{Name: "new passwords", OK: true, Detail: "none waits for Apply Config"}
	var waiting, missing []string
	for _, p := range n.left {
		if p.Problem != "" {
			missing = append(missing, fmt.Sprintf("%s: %s", incident.ShellWord(p.Account), p.Problem))
		} else {
			waiting = append(waiting, incident.ShellWord(p.Account))
		}
	}
	switch {
	case len(missing) > 0:
		check.OK = false
		check.Detail = "in force, but not everywhere: " + strings.Join(missing, "; ")
	case n.err != nil:
		check.OK, check.Detail = false, n.err.Error()
	case len(waiting) > 0:
		check.Detail = "in force and in the database, until Apply Config also over the generated files: " + strings.Join(waiting, ", ")
	}
	return check
}
