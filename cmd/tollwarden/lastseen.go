package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/logfile"
)

// lastSeen is what one life of the daemon leaves to the next: until when it saw,
// so that the time between is known as a gap and read from Asterisk's log.
type lastSeen struct {
	Events time.Time      `json:"events"` // when the event session last gave a sign of life
	Log    *logfile.Place `json:"log,omitempty"`
}

// rememberEvery is how much of the log is read twice at most after the daemon
// was killed.
const rememberEvery = time.Second

// memory is the file that holds it. It is written in its place: a full disk
// does not keep it from being up to date.
type memory struct {
	path string
	file *os.File // nil: it could not be opened yet
	seen lastSeen // what it held at the start, then what was last written
}

// openMemory reads what the life before has left; nothing, at the first start
// and where the file cannot be read. That keeps nobody from starting.
func openMemory(data string) *memory {
	m := &memory{path: filepath.Join(data, "last-seen.json")}
	if m.open() == nil && json.NewDecoder(m.file).Decode(&m.seen) != nil {
		m.seen = lastSeen{}
	}
	return m
}

func (m *memory) open() (err error) {
	m.file, err = os.OpenFile(m.path, os.O_RDWR|os.O_CREATE, 0o600)
	return err
}

// write replaces what the file holds. What is left behind it of a longer text is
// not read.
func (m *memory) write(s lastSeen) error {
	if m.file == nil {
		if err := m.open(); err != nil {
			return err
		}
	}
	text, err := json.Marshal(s)
	if err == nil {
		_, err = m.file.WriteAt(append(text, '\n'), 0)
	}
	m.seen = s
	return err
}

func (m *memory) close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// remember writes until when was seen: from time to time, when a session begins,
// and when ctx ends.
func (d *daemon) remember(ctx context.Context) error {
	tick := time.NewTicker(rememberEvery)
	defer tick.Stop()
	complained := false
	for {
		over := false
		select {
		case <-tick.C:
		case <-d.begunC:
		case <-ctx.Done():
			over = true
		}
		err := d.memory.write(d.lastSeen())
		if err != nil && !complained {
			d.log.Error().Err(err).Msg("after the next start it will not be known from when on nothing was seen")
		}
		complained = err != nil
		if over {
			return nil
		}
	}
}

func (d *daemon) lastSeen() lastSeen {
	s := d.memory.seen
	if at := d.heard.Load(); at != nil {
		s.Events = *at
	}
	if session := d.listening.Load(); session != nil {
		s.Events = session.client.LastSeen()
	}
	if d.second != nil {
		if place := d.second.Place(); place != nil {
			s.Log = place
		}
	}
	return s
}

// gapBefore is the time without events before a session: since the session
// before, or since the life of the daemon before.
func (d *daemon) gapBefore(c *ami.Client) ami.Gap {
	if gap := c.Gap(); !gap.IsZero() {
		return gap
	}
	if d.blindSince.IsZero() {
		return ami.Gap{}
	}
	return ami.Gap{From: d.blindSince, To: time.Now()}
}
