package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// explainTelling says where messages go, and which command is run.
func explainTelling(w io.Writer, cfg *config.Config) {
	used := stepsInUse(cfg)
	n := &cfg.Notify
	if !n.Anybody() && slices.Contains(used, config.StepNotify) {
		fmt.Fprintln(w, "notify: nobody gets a message, because notify.webhook, notify.mail and notify.syslog are not set; the step will be skipped.")
	}
	if receivers, err := receiversOf(n); err == nil && n.Anybody() {
		var names []string
		for to := range receivers.Each {
			names = append(names, to.Name())
		}
		fmt.Fprintf(w, "notify: %s; of each kind %d within %s one by one, the rest in a digest (syslog: all).\n", strings.Join(names, "; "), n.Burst, config.FormatDuration(n.Digest))
	}
	if slices.Contains(used, config.StepExec) {
		fmt.Fprintf(w, "exec: %s, for at most %s.\n", program(cfg.Exec.Command), config.FormatDuration(cfg.Exec.Within))
	}
}

// receiversCheck tests whether the receivers can be reached; with send it sends
// them a message.
func receiversCheck(send bool) func(context.Context, io.Writer, *config.Config) error {
	return func(ctx context.Context, w io.Writer, cfg *config.Config) error {
		receivers, err := receiversOf(&cfg.Notify)
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
		for to := range receivers.Each {
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
		err = to.Deliver(ctx, messageOf(hostName(), alarm{Event: alarmTest, At: time.Now(), Text: "This is a test of `tollwarden check --notify`: messages from here arrive."}))
	} else {
		err = to.Check(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
