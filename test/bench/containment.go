package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/test/lab"
)

// manyCalls is how many calls a broken-into account has up.
const manyCalls = 100

// containment is how long a thief's calls live, and how long they do when
// nobody has to find them: Asterisk alone is asked to end them.
func (b *bench) containment() error {
	l, d, err := b.guardedLab(rules)
	if err != nil {
		return err
	}
	defer l.Close()
	defer d.stop()
	w, err := watch(b.ctx, l)
	if err != nil {
		return err
	}
	defer w.client.Close()
	t := theft{bench: b, lab: l, watch: w}
	if t.owner, err = t.phone(); err != nil {
		return err
	}
	if err := t.owner.Register(b.ctx); err != nil {
		return err
	}
	if err := t.fail(4); err != nil {
		return err
	}
	var invite, heard, all, alone sample
	for range b.few(20, 3) {
		if err := t.rogueCall(&invite, &heard); err != nil {
			out, _ := l.CLI(b.ctx, "core show channels concise")
			return fmt.Errorf("%w: %s %s", err, d.log.Tail(), out)
		}
	}
	for range b.few(3, 1) {
		if err := t.manyCalls(&alone, func() error { return t.hangupAll() }); err != nil {
			return err
		}
		if err := t.manyCalls(&all, func() error { return t.breakIn() }); err != nil {
			return err
		}
	}
	b.table.heading("containment, on Asterisk 22")
	b.table.add("rogue INVITE leaves the thief → Asterisk ends its channel", duration, invite, "")
	b.table.add("event of the rogue INVITE's password → Asterisk ends its channel", duration, heard, "")
	b.table.add(fmt.Sprintf("break-in's event → last of %d channels down", manyCalls), duration, all, "")
	b.table.add(fmt.Sprintf("Asterisk alone: one Hangup action → last of %d channels down", manyCalls), duration, alone, "")
	return nil
}

// theft is the account 1002 used by attackers.
type theft struct {
	*bench
	lab   *lab.Lab
	watch *watcher
	owner *lab.Phone
	hosts int
}

// phone is one of the account's at an address of its own.
func (t *theft) phone() (*lab.Phone, error) {
	t.hosts++
	h, err := t.lab.Host(fmt.Sprintf("p%d", t.hosts), netip.AddrFrom4([4]byte{198, 51, 100, byte(t.hosts)}).String())
	if err != nil {
		return nil, err
	}
	return h.Phone("1002", "", lab.PhoneOptions{})
}

// fail makes wrong guesses at the account, each from an address of
// its own, so that none is banned for it.
func (t *theft) fail(guesses int) error {
	for range guesses {
		p, err := t.phone()
		if err != nil {
			return err
		}
		p.SetPassword("guess")
		if err := p.Register(t.ctx); err == nil {
			return fmt.Errorf("a wrong guess was accepted")
		}
		_ = p.Close()
	}
	return nil
}

// rogueCall calls with the stolen password from an address never seen before.
func (t *theft) rogueCall(invite, heard *sample) error {
	thief, err := t.phone()
	if err != nil {
		return err
	}
	defer thief.Close()
	t.watch.reset(thief.Source().Addr())
	ctx, cancel := context.WithTimeout(t.ctx, 2*time.Second)
	defer cancel()
	start := time.Now()
	go func() {
		_, _ = thief.Call(ctx, "00114420794600") // cut off, sooner or later
		cancel()
	}()
	success, down, err := t.watch.await(t.ctx, 1)
	<-ctx.Done()
	if err != nil {
		return err
	}
	invite.took(down.Sub(start))
	heard.took(down.Sub(success))
	return nil
}

// manyCalls has the owner make calls and something end all of them.
func (t *theft) manyCalls(s *sample, end func() error) error {
	time.Sleep(6 * time.Second) // what came before is contained, and no longer watched
	for i := range manyCalls {
		if _, err := t.owner.Call(t.ctx, fmt.Sprintf("0044207946%04d", i)); err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
	}
	if err := end(); err != nil {
		return err
	}
	began, down, err := t.watch.await(t.ctx, manyCalls)
	if err != nil {
		return err
	}
	s.took(down.Sub(began))
	return nil
}

// breakIn registers with the stolen password from an address never seen.
func (t *theft) breakIn() error {
	thief, err := t.phone()
	if err != nil {
		return err
	}
	defer thief.Close()
	t.watch.reset(thief.Source().Addr())
	ctx, cancel := context.WithTimeout(t.ctx, 2*time.Second)
	defer cancel()
	_ = thief.Register(ctx) // the answer may not leave any more
	return nil
}

// hangupAll asks Asterisk, as the daemon does.
func (t *theft) hangupAll() error {
	t.watch.reset(netip.Addr{})
	t.watch.begin(time.Now())
	_, err := t.watch.client.Do(t.ctx, ami.Action{Name: "Hangup", Fields: []ami.Field{{Name: "Channel", Value: `/^PJSIP\/1002-.*$/`}}})
	return err
}

// watcher is a manager session of the bench's own: when it heard what.
type watcher struct {
	client *ami.Client
	parser event.Parser

	mu      sync.Mutex
	thief   netip.Addr // whose success begins a measurement
	began   time.Time
	ended   int // channels down since then
	last    time.Time
	changed chan struct{}
}

func watch(ctx context.Context, l *lab.Lab) (*watcher, error) {
	w := &watcher{changed: make(chan struct{}, 1)}
	d := ami.Dialer{
		Address: lab.AMIAddress, Username: lab.AMIUser, Secret: lab.AMISecret, Events: "security,call", Handle: w.handle,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return l.PBX.Dial(ctx, network, address)
		},
	}
	var err error
	w.client, err = d.Connect(ctx)
	return w, err
}

func (w *watcher) handle(now time.Time, b *event.Block) {
	var e event.Event
	if w.parser.Parse(b, &e) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case e.Kind == event.SuccessfulAuth && e.Remote.Addr() == w.thief && w.began.IsZero():
		w.began = now
	case e.Kind == event.Hangup && !w.began.IsZero() && strings.HasPrefix(string(e.Channel), "PJSIP/1002-"):
		w.ended++
		w.last = now
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// reset begins a measurement with the thief's next success.
func (w *watcher) reset(thief netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.thief, w.began, w.ended = thief, time.Time{}, 0
}

// begin begins one now.
func (w *watcher) begin(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = at
}

// await waits until that many channels are down.
func (w *watcher) await(ctx context.Context, channels int) (began, last time.Time, err error) {
	patience := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		began, last = w.began, w.last
		ended := w.ended
		w.mu.Unlock()
		if ended >= channels {
			return began, last, nil
		}
		select {
		case <-w.changed:
		case <-patience:
			return began, last, fmt.Errorf("%d of %d channels are down", ended, channels)
		case <-ctx.Done():
			return began, last, ctx.Err()
		}
	}
}
