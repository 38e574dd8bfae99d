package amitest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// User is a manager user in manager.conf. Read and Write are classes such as
// "security,call"; empty means all.
type User struct {
	Name, Secret string
	Read, Write  string
}

// Options configure a PBX. The zero value is an Asterisk 22 on a free port of the loopback
// interface, without users.
type Options struct {
	Address string // to listen on, "127.0.0.1:0" by default
	TLS     *tls.Config
	Banner  string // "Asterisk Call Manager/11.0.0" by default
	Version string // of Asterisk, "22.10.1" by default
	Users   []User

	// Files are config files by name. If ConfigDir is set, Start writes them to that
	// directory, and the PBX reads and writes all config files there.
	Files     map[string]string
	ConfigDir string
	// Realtime holds the rows of realtime families such as ps_auths.
	Realtime map[string][]map[string]string

	// PlainOnly disables the Challenge action.
	PlainOnly bool
	// AuthDelay is the delay before a rejected login is answered (1 s by default).
	AuthDelay time.Duration
	// WriteTimeout is how long a session may block a write (100 ms by default).
	WriteTimeout time.Duration
	// OnAction is called for every action of a logged-in session before it runs.
	OnAction func(user string, a ami.Action)
}

// PBX is a running PBX. Close ends it. Its methods may be called from any
// goroutine, but not from OnAction.
type PBX struct {
	options  Options
	listener net.Listener
	running  sync.WaitGroup
	started  time.Time
	cut      atomic.Uint64 // sessions disconnected because they did not read
	faults   faults

	mu       sync.Mutex // guards all fields below, and the order of events
	closed   bool
	sessions map[*session]struct{}
	changed  chan struct{} // closed and replaced when a session logs in or out
	files    files
	loaded   map[string]config // by file
	database map[string]string // "/family/key" to value
	dialplan map[step]exten
	realtime map[string][]map[string]string
	channels []*Channel // in order of creation
	serial   int        // of channels and sessions
}

// Start starts a PBX.
func Start(o Options) (*PBX, error) {
	o.Address = cmp.Or(o.Address, "127.0.0.1:0")
	o.Banner = cmp.Or(o.Banner, "Asterisk Call Manager/11.0.0")
	o.Version = cmp.Or(o.Version, "22.10.1")
	o.AuthDelay = cmp.Or(o.AuthDelay, time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 100*time.Millisecond)
	p := &PBX{
		options:  o,
		started:  time.Now(),
		sessions: make(map[*session]struct{}),
		changed:  make(chan struct{}),
		loaded:   make(map[string]config),
		database: make(map[string]string),
		dialplan: make(map[step]exten),
		realtime: make(map[string][]map[string]string),
	}
	p.faults.gate = make(chan struct{})
	close(p.faults.gate)
	for family, rows := range o.Realtime {
		for _, row := range rows {
			p.realtime[family] = append(p.realtime[family], maps.Clone(row))
		}
	}
	var err error
	if p.files, err = newFiles(o.ConfigDir, o.Files); err != nil {
		return nil, fmt.Errorf("amitest: %w", err)
	}
	for _, name := range []string{pjsipConf, sipConf} {
		p.reload(name)
	}
	if err := p.listen(o.Address); err != nil {
		return nil, err
	}
	return p, nil
}

// listen accepts sessions at an address. The caller does not hold the lock.
func (p *PBX) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("amitest: %w", err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(conn) })
		}
	})
	return nil
}

// Address returns the address of the PBX, even while it is down.
func (p *PBX) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener.Addr().String()
}

// Close stops the PBX and waits for its sessions.
func (p *PBX) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Hang(false)
	err := p.listener.Close()
	p.Drop()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Cut returns the number of sessions disconnected because they did not read.
func (p *PBX) Cut() uint64 { return p.cut.Load() }

// WaitSessions waits until exactly n sessions are logged in.
func (p *PBX) WaitSessions(ctx context.Context, n int) error {
	for {
		p.mu.Lock()
		logged, changed := 0, p.changed
		for s := range p.sessions {
			if s.user != nil {
				logged++
			}
		}
		p.mu.Unlock()
		if logged == n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("amitest: %d sessions, want %d: %w", logged, n, ctx.Err())
		}
	}
}

// sessionsChanged wakes WaitSessions. The caller holds the lock.
func (p *PBX) sessionsChanged() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *PBX) user(name string) *User {
	i := slices.IndexFunc(p.options.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &p.options.Users[i]
}
