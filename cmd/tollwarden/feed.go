package main

import "sync"

// feedDepth is how many changes a watcher may lag behind.
const feedDepth = 1024

// feed tells every watcher of every change. Publishing never waits: a watcher
// that does not keep up is let go.
type feed[T any] struct {
	mu       sync.Mutex
	watchers map[chan T]struct{}
}

// watch begins a watch; end ends it.
func (f *feed[T]) watch() (changes <-chan T, end func()) {
	c := make(chan T, feedDepth)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers == nil {
		f.watchers = map[chan T]struct{}{}
	}
	f.watchers[c] = struct{}{}
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, c)
	}
}

// watched says whether there is anyone to publish for.
func (f *feed[T]) watched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers) > 0
}

func (f *feed[T]) publish(v T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.watchers {
		select {
		case c <- v:
		default:
			close(c)
			delete(f.watchers, c)
		}
	}
}
