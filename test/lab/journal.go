package lab

import (
	"bytes"
	"sync"
)

// Journal is what a process writes, readable while it writes. The zero Journal
// is ready.
type Journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to the journal; it never fails.
func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// String is all that was written so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// Tail is the end of it, short enough for an error.
func (j *Journal) Tail() string {
	text := j.String()
	return text[max(0, len(text)-2000):]
}
