package check

import (
	"context"
	"errors"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// receivers tests that the receivers can be reached; with send, each gets what the daemon
// would send it: an incident, an alarm and a digest, which say that they are samples.
func receivers(send bool) func(context.Context, *config.Config) []Result {
	return func(ctx context.Context, cfg *config.Config) (out []Result) {
		list, err := settings.Receivers(&cfg.Notify)
		if err != nil {
			return []Result{failed("%v", err)}
		}
		if !cfg.Notify.Anybody() {
			return []Result{warning("none is set: nobody hears of a break-in. Set notify.mail or notify.webhook").fix("tollwarden setup")}
		}
		samples, err := daemon.Samples(time.Now(), &cfg.Notify)
		if err != nil {
			return []Result{failed("%v", err)}
		}
		for to := range list.Each {
			out = append(out, reach(ctx, to, cfg.Notify.Within, send, samples))
		}
		return out
	}
}

// reach tries to reach one receiver.
func reach(ctx context.Context, to notify.Receiver, within time.Duration, send bool, samples []*notify.Message) Result {
	if !send {
		if err := attempt(ctx, within, to.Check); err != nil {
			return failed("%s: %v", to.Name(), err)
		}
		return passed("%s answers; nothing was sent (--notify sends samples)", to.Name())
	}
	for _, m := range samples {
		err := attempt(ctx, within, func(ctx context.Context) error { return to.Deliver(ctx, m) })
		if err != nil {
			return failed("%s: it refuses %s: %v", to.Name(), m.Kind, err)
		}
	}
	return passed("%s took a sample of an incident, of an alarm and of a digest", to.Name())
}

// attempt bounds one attempt to reach somebody.
func attempt(ctx context.Context, within time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errors.New("no answer within "+config.FormatDuration(within)))
	defer cancel()
	err := try(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
