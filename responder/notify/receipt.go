package notify

import (
	"strings"
	"sync"
)

// Outcome is how far the delivery of one message has come.
type Outcome struct {
	Final      bool   // it will not change any more
	Delivered  int    // receivers that have the message
	NoReceiver bool   // none is configured
	Detail     string // for people, all receivers in one line
}

// receipt collects the outcome of one message at each of its receivers.
type receipt struct {
	report func(Outcome)

	mu        sync.Mutex
	boxes     []*outbox
	details   []string // by box
	open      int      // boxes without an outcome
	delivered int      // receivers that have the message
}

func (r *receipt) deliveredTo(o *outbox, detail string) { r.update(o, detail, 1, 1) }
func (r *receipt) lost(o *outbox, detail string)        { r.update(o, detail, 1, 0) }

// pending reports why a message is not delivered yet.
func (r *receipt) pending(o *outbox, detail string) { r.update(o, detail, 0, 0) }

func (r *receipt) update(o *outbox, detail string, closed, delivered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := closed > 0
	for i := range r.boxes {
		if r.boxes[i] == o {
			changed = changed || r.details[i] != detail
			r.details[i] = detail
		}
	}
	r.open -= closed
	r.delivered += delivered
	if !changed {
		return
	}
	var all []string
	for _, d := range r.details {
		if d != "" {
			all = append(all, d)
		}
	}
	r.report(Outcome{Final: r.open == 0, Delivered: r.delivered, Detail: strings.Join(all, "; ")})
}
