package daemon

import (
	"sync"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// broadcastDepth is how many changes a watcher may lag behind.
const broadcastDepth = 1024

// broadcast sends every change to every watcher. Publishing never waits: a watcher
// that falls behind is dropped and finds its channel closed.
type broadcast[T any] struct {
	mu       sync.Mutex
	watchers map[chan T]struct{}
}

// watch begins a watch; end ends it.
func (b *broadcast[T]) watch() (changes <-chan T, end func()) {
	c := make(chan T, broadcastDepth)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchers == nil {
		b.watchers = map[chan T]struct{}{}
	}
	b.watchers[c] = struct{}{}
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, c)
	}
}

// watched says whether anybody watches.
func (b *broadcast[T]) watched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.watchers) > 0
}

func (b *broadcast[T]) publish(v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.watchers {
		select {
		case c <- v:
		default:
			close(c)
			delete(b.watchers, c)
		}
	}
}

// feeds are what the commands can watch.
type feeds struct {
	bans      broadcast[control.BanChange]
	incidents broadcast[incident.Incident]
	names     *roster
}

// onIncident publishes every change of an incident, without its evidence, and
// passes it to also, which may be nil.
func (f *feeds) onIncident(also func(incident.Incident)) func(incident.Incident) {
	return func(i incident.Incident) {
		if also != nil {
			also(i)
		}
		if f.incidents.watched() {
			shown := f.names.name(i.Clone())
			shown.Evidence = nil
			f.incidents.publish(shown)
		}
	}
}

// onBan publishes a change of a ban.
func (f *feeds) onBan(b incident.Ban, change incident.BanChange) {
	if f.bans.watched() {
		f.bans.publish(control.BanChange{At: time.Now(), Change: change, Ban: b})
	}
}

// onPartial publishes a change of a partial block.
func (f *feeds) onPartial(b incident.PartialBlock, change incident.BanChange) {
	if f.bans.watched() {
		f.bans.publish(control.BanChange{At: time.Now(), Change: change, Partial: b})
	}
}
