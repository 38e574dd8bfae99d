package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// receivers tests that the receivers can be reached; with send it sends each a
// message. It tests that exec.command can be run, too.
func receivers(send bool) func(context.Context, io.Writer, *config.Config) error {
	return func(ctx context.Context, w io.Writer, cfg *config.Config) error {
		list, err := settings.Receivers(&cfg.Notify)
		if err != nil {
			return err
		}
		if len(cfg.Exec.Command) > 0 {
			if err := unix.Access(cfg.Exec.Command[0], unix.X_OK); err != nil {
				return fmt.Errorf("exec.command %s: this user cannot run it: %w", cfg.Exec.Command[0], err)
			}
		}
		fmt.Fprintln(w, receiversWords(&cfg.Notify, send))
		var errs []error
		for to := range list.Each {
			if err := reach(ctx, to, cfg.Notify.Within, send); err != nil {
				fmt.Fprintf(w, "  %s: FAILED\n", to.Name())
				errs = append(errs, fmt.Errorf("%s: %w", to.Name(), err))
				continue
			}
			fmt.Fprintf(w, "  %s: ok\n", to.Name())
		}
		return errors.Join(errs...)
	}
}

func receiversWords(n *config.Notify, send bool) string {
	switch {
	case !n.Anybody():
		return "none is set."
	case send:
		return "a test message goes to each."
	}
	return "tried without sending anything (--notify sends a test message)."
}

// reach tries to reach one receiver.
func reach(ctx context.Context, to notify.Receiver, within time.Duration, send bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errors.New("no answer within "+config.FormatDuration(within)))
	defer cancel()
	err := error(nil)
	if send {
		err = to.Deliver(ctx, daemon.TestMessage(time.Now()))
	} else {
		err = to.Check(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
