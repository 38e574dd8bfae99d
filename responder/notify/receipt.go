package notify

import (
	"strings"
	"sync"
)

// Outcome is how far the telling of one message has come.
type Outcome struct {
	Over   bool   // nothing more will come of it
	Told   int    // receivers that have it
	Deaf   bool   // there is no receiver
	Detail string // in words
}

// receipt gathers what becomes of one message at each of its receivers.
type receipt struct {
	report func(Outcome)

	mu    sync.Mutex
	boxes []*outbox
	words []string // by box
	open  int      // boxes without an outcome
	done  int      // receivers told
}

func (r *receipt) told(o *outbox, words string) { r.say(o, words, 1, 1) }
func (r *receipt) lost(o *outbox, words string) { r.say(o, words, 1, 0) }

// later tells of no outcome yet.
func (r *receipt) later(o *outbox, words string) { r.say(o, words, 0, 0) }

func (r *receipt) say(o *outbox, words string, closed, told int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := closed > 0
	for i := range r.boxes {
		if r.boxes[i] == o {
			news = news || r.words[i] != words
			r.words[i] = words
		}
	}
	r.open -= closed
	r.done += told
	if !news {
		return
	}
	var all []string
	for _, w := range r.words {
		if w != "" {
			all = append(all, w)
		}
	}
	r.report(Outcome{Over: r.open == 0, Told: r.done, Detail: strings.Join(all, "; ")})
}
