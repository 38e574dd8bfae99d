package amitest

import (
	"sync"
	"time"
)

// faults controls how the PBX misbehaves.
type faults struct {
	mu     sync.Mutex
	gate   chan struct{} // closed unless the PBX hangs
	delay  time.Duration
	refuse bool
}

// hold waits while the PBX hangs. It returns false if the session ends.
func (f *faults) hold(gone <-chan struct{}) bool {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-gone:
		return false
	}
}

// pass delays an action while the PBX hangs, and by the configured delay. It returns false
// if the session ends.
func (f *faults) pass(gone <-chan struct{}) bool {
	if !f.hold(gone) {
		return false
	}
	f.mu.Lock()
	delay := f.delay
	f.mu.Unlock()
	if delay == 0 {
		return true
	}
	select {
	case <-time.After(delay):
		return true
	case <-gone:
		return false
	}
}

func (f *faults) refuses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuse
}

// Hang stops the PBX while its connections stay open, like a stopped process, or resumes
// it.
func (p *PBX) Hang(hang bool) {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	select {
	case <-p.faults.gate:
		if hang {
			p.faults.gate = make(chan struct{})
		}
	default:
		if !hang {
			close(p.faults.gate)
		}
	}
}

// Delay delays every action.
func (p *PBX) Delay(d time.Duration) {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.delay = d
}

// RefuseLogins makes every login fail, or stops doing so.
func (p *PBX) RefuseLogins(refuse bool) {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.refuse = refuse
}

// Drop closes all manager connections immediately.
func (p *PBX) Drop() {
	for _, s := range p.open() {
		s.close()
	}
}

// CutMidBlock closes all manager connections in the middle of an event.
func (p *PBX) CutMidBlock() {
	for _, s := range p.open() {
		s.send("Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/1")
		s.finish()
	}
}

func (p *PBX) open() (all []*session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		all = append(all, s)
	}
	return all
}

// Down stops the PBX: it closes its port and its connections. Channels end without an
// event. Contacts and the rest of the database remain.
func (p *PBX) Down() {
	p.mu.Lock()
	_ = p.listener.Close()
	p.channels = nil
	p.mu.Unlock()
	p.Drop()
}

// Up starts the PBX again on the same port.
func (p *PBX) Up() error {
	p.mu.Lock()
	p.started = time.Now()
	for _, name := range []string{pjsipConf, sipConf} {
		p.reload(name)
	}
	p.mu.Unlock()
	return p.listen(p.Address())
}
