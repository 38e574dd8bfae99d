package pbx

import (
	"context"
	"time"
)

// eventually asks ok at growing intervals until it holds, fails, or the time is
// over; it reports whether it held.
func eventually(ctx context.Context, within time.Duration, ok func() (bool, error)) (bool, error) {
	deadline := time.Now().Add(within)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		held, err := ok()
		if held || err != nil || time.Now().Add(pause).After(deadline) {
			return held, err
		}
		if err := sleep(ctx, pause); err != nil {
			return false, err
		}
	}
}

// sleep waits for d or for the end of ctx, which is its error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// pause waits before a round of something that is repeated, longer each time
// and not at all before the first.
func pause(ctx context.Context, round int) error {
	if round == 0 {
		return nil
	}
	return sleep(ctx, min(10*time.Millisecond<<min(round, 5), 250*time.Millisecond))
}
