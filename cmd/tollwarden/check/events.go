package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// eventWithin is how long an event that we cause may be on its way.
const eventWithin = 2 * time.Second

// marker names what a check causes. A daemon that runs takes it for a canary, and scores
// nothing.
func newMarker() string { return intake.CanaryName + "check-" + rand.Text()[:10] }

// listener notes which classes of events arrive that have the marker in them.
type listener struct {
	marker []byte

	mu      sync.Mutex
	classes map[string]bool
	arrived chan struct{} // replaced when a class arrives
}

func newListener(marker string) *listener {
	return &listener{marker: []byte(marker), classes: map[string]bool{}, arrived: make(chan struct{})}
}

// handle takes one event of the session.
func (l *listener) handle(_ time.Time, b *event.Block) {
	if !bytes.Contains(b.Raw, l.marker) {
		return
	}
	for _, h := range b.Headers {
		if string(h.Name) != "Privilege" {
			continue
		}
		l.mu.Lock()
		class, _, _ := strings.Cut(string(h.Value), ",")
		l.classes[class] = true
		close(l.arrived)
		l.arrived = make(chan struct{})
		l.mu.Unlock()
		return
	}
}

// await waits for an event of a class.
func (l *listener) await(ctx context.Context, class string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		l.mu.Lock()
		heard, next := l.classes[class], l.arrived
		l.mu.Unlock()
		if heard {
			return true
		}
		select {
		case <-next:
		case <-ctx.Done():
			return false
		}
	}
}

// securityEvents causes a security event: a login to the manager interface with a made-up
// name, which Asterisk refuses and logs.
func securityEvents(ctx context.Context, cfg *config.Config, s *session) []Result {
	if err := s.refused(ctx); err != nil {
		return []Result{warning("could not try: no second login to the manager interface is possible: %v", err)}
	}
	if s.heard.await(ctx, "security", eventWithin) {
		return []Result{passed("a refused login that this check made arrived, as a guess would")}
	}
	return []Result{noEvents(cfg, s, "security", "no security event arrives: guesses and logins are not seen")}
}

// refused logs in with the marker as a name, once, which Asterisk refuses.
func (s *session) refused(ctx context.Context) error {
	d := ami.Dialer{Address: s.dialer.Address, TLS: s.dialer.TLS, Username: s.marker, Secret: "none", Dial: s.dialer.Dial}
	c, err := d.Connect(ctx)
	if err == nil {
		_ = c.Close()
		return nil
	}
	if errors.Is(err, ami.ErrAuth) {
		s.sent = true
		return nil
	}
	return err
}

// callEvents causes call events: a call from nowhere to an extension in a context that does
// not exist, which ends before it begins. No phone rings, and no call record is written.
func callEvents(ctx context.Context, cfg *config.Config, s *session) []Result {
	out, err := s.console(ctx, "channel originate Local/"+s.marker+"@tollwarden-check application NoOp")
	if err != nil || strings.Contains(out, "No such command") || strings.Contains(out, "Unable to connect") {
		return []Result{promisedCalls(ctx, cfg, s)}
	}
	if s.heard.await(ctx, "call", eventWithin) {
		return []Result{passed("the beginning and end of a call that this check made to nowhere arrived")}
	}
	return []Result{noEvents(cfg, s, "call", "no call event arrives: calls are not seen, and a thief's are not ended")}
}

// promisedCalls says what Asterisk says about call events, if none can be caused.
func promisedCalls(ctx context.Context, cfg *config.Config, s *session) Result {
	if text, err := s.console(ctx, "manager show user "+cfg.Asterisk.Username); err == nil && plainWord.MatchString(cfg.Asterisk.Username) {
		for line := range strings.Lines(text) {
			name, classes, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name == "read perm" && !has(classes, "call") {
				return noEvents(cfg, s, "call", "no call event would arrive: calls are not seen, and a thief's are not ended")
			}
			if name == "read perm" {
				return passed("Asterisk says that the user gets them; a test call would prove it, but Asterisk's module for those is not loaded (res_clioriginate)")
			}
		}
	}
	switch unread, known, err := s.manager.Unread(ctx, cfg.Asterisk.Username); {
	case err != nil || !known:
		return warning("could not find out whether they arrive: make sure that the user's section in manager.conf has read = security,call").
			fix(managerFix(cfg, "read", withClasses(cfg, "read", "security", "call")))
	case slices.ContainsFunc(unread, func(u pbx.Unread) bool { return u.Class == "call" }):
		return noEvents(cfg, s, "call", "no call event would arrive: calls are not seen, and a thief's are not ended")
	}
	return passed("manager.conf grants them; run this as root beside Asterisk to have one arrive")
}

// has says whether a list of classes includes one.
func has(classes, class string) bool {
	for c := range strings.SplitSeq(classes, ",") {
		if c = strings.TrimSpace(c); c == class || c == "all" {
			return true
		}
	}
	return false
}

// noEvents says why no event of a class arrives, and what helps.
func noEvents(cfg *config.Config, s *session, class, text string) Result {
	conf, err := conffile.Load(cfg.Asterisk.ConfigDir, managerConf)
	user := cfg.Asterisk.Username
	switch {
	case err == nil && conf.Value(user, "read") != "" && has(conf.Value(user, "read"), class):
		if conf.Value(user, "eventfilter") != "" {
			return failed("%s: eventfilter in its section of manager.conf may drop it", text).
				fix(dropVariable(sectionFile(cfg.Asterisk.ConfigDir, managerConf, user), user, "eventfilter") + " && " + reload("manager"))
		}
		return failed("%s, although manager.conf has read = %s: Asterisk has not read the file again", text, conf.Value(user, "read")).fix(reload("manager"))
	}
	return failed("%s: add %s to read= of the AMI user", text, class).
		fix(managerFix(cfg, "read", withClasses(cfg, "read", "security", "call")))
}
