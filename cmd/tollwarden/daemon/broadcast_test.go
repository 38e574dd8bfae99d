package daemon

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// A watcher gets what happens while it watches; one that falls behind is dropped,
// and nobody waits for it.
func TestBroadcast(t *testing.T) {
	var b broadcast[int]
	b.publish(0)
	if b.watched() {
		t.Error("somebody watches")
	}
	slow, endSlow := b.watch()
	quick, end := b.watch()
	b.publish(1)
	if got := <-quick; got != 1 {
		t.Errorf("got %d", got)
	}
	for i := range broadcastDepth {
		b.publish(i)
		<-quick
	}
	received := 0
	for range slow {
		received++
	}
	if received != broadcastDepth {
		t.Errorf("the slow one got %d of %d", received, broadcastDepth+1)
	}
	endSlow()
	end()
	end()
	if b.watched() {
		t.Error("somebody still watches")
	}
}

// The feed has no evidence, whoever else gets the incident does.
func TestFeedOfIncidents(t *testing.T) {
	var f feeds
	seen := 0
	on := f.onIncident(func(i incident.Incident) { seen += len(i.Evidence) })
	i := incident.Incident{ID: 1, Evidence: make([]incident.Evidence, 2)}
	on(i)
	changes, end := f.incidents.watch()
	defer end()
	on(i)
	f.onIncident(nil)(i)
	if got := <-changes; got.ID != 1 || got.Evidence != nil || seen != 4 {
		t.Errorf("%+v, %d", got, seen)
	}
}
