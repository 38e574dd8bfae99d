package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Daemon carries out the requests of commands.
type Daemon interface {
	Status() Status
	Bans() []incident.Ban
	// Partial are the partial blocks in force, newest first.
	Partial() []incident.PartialBlock
	// Incidents and Incident may return a valid result with an Incomplete error.
	Incidents(limit int) ([]incident.Incident, error)
	Incident(id int64) (incident.Incident, error)
	// Methods with a uid act on behalf of that user. A Refusal is an error that
	// the caller can fix.
	Ban(uid uint32, o BanOrder) (Changed, error)
	Unban(uid uint32, o UnbanOrder) (Changed, error)
	Allow(uid uint32, o AllowOrder) (Changed, error)
	AllowList() []Allowed
	// Scores are the keys of one kind nearest to a threshold.
	Scores(kind string, limit int) ([]ScoreStatus, error)
	Accounts() []string
	// Orders are what must stay in force for accounts.
	Orders() []Order
	// Spending is what calls have used of their budgets.
	Spending() Spending
	// Teach takes over what records of past calls have taught.
	Teach(ctx context.Context, uid uint32, h History) (Changed, error)
	Rotate(ctx context.Context, uid uint32, o AccountOrder) (AccountDone, error)
	Lock(ctx context.Context, uid uint32, o AccountOrder) (AccountDone, error)
	Unlock(ctx context.Context, uid uint32, o AccountOrder) (AccountDone, error)
	Hangup(ctx context.Context, uid uint32, o AccountOrder) (AccountDone, error)
	// Trust and Compromise are what a person says of an account's new address.
	Trust(uid uint32, o TrustOrder) (AccountDone, error)
	Compromise(uid uint32, o AccountOrder) (AccountDone, error)
	// BreakIns are those that nobody has dealt with, as in mode observe; ActOn deals with one.
	BreakIns() []BreakIn
	ActOn(uid uint32, o AccountOrder) (AccountDone, error)
	// WatchBans and WatchIncidents report changes from now on, until end is
	// called. The channel of a watcher that falls behind is closed.
	WatchBans() (changes <-chan BanChange, end func())
	WatchIncidents() (changes <-chan incident.Incident, end func())
	// Pause and Resume begin and end a pause of everything automatic. Resume also lets
	// the breaker go on.
	Pause(uid uint32, o PauseOrder) (Paused, error)
	Resume(uid uint32) (Paused, error)
	// Prove has the daemon guess a password itself and waits until it has noticed.
	Prove(ctx context.Context, uid uint32) (Proof, error)
	// Reload reloads the configuration.
	Reload(uid uint32) (Changed, error)
}

// Refusal is an error that the caller can fix. Its text is shown unchanged.
type Refusal string

// Error is the text of the refusal.
func (r Refusal) Error() string { return string(r) }

// Incomplete is an error that comes with a valid result and says what is missing
// from it.
type Incomplete string

// Error says what is missing, and why.
func (i Incomplete) Error() string { return string(i) }

// incompleteHeader carries an Incomplete error beside a result.
const incompleteHeader = "Tollwarden-Incomplete"

// Server answers commands on a unix socket.
type Server struct {
	listener net.Listener
	http     http.Server
	stopC    chan struct{} // closed when Serve ends, to end the watches
}

// Listen opens the socket at path with mode 0600. If path is a symbolic link, the
// socket is created at its target, so that a daemon without root can keep it in its
// own folder. A dead daemon's socket is replaced; a socket that answers, or a file
// that is not a socket, is an error.
func Listen(path string, d Daemon) (*Server, error) {
	if target, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if err := clear(path); err != nil {
		return nil, err
	}
	// The umask keeps others out from the start; a chmod afterwards would leave
	// a moment in which they could connect.
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	s := &Server{listener: l, stopC: make(chan struct{})}
	s.http = http.Server{
		Handler: routes(d, s.stopC), ReadHeaderTimeout: 5 * time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, uidKey{}, peerUID(c))
		},
	}
	return s, nil
}

func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("control socket %s: there is a file that is not a socket: move it away, or set another path as `socket`", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return fmt.Errorf("control socket %s: a daemon already answers there: stop it first, or set another path as `socket`", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		close(s.stopC)
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = s.http.Shutdown(grace)
	})
	err := s.http.Serve(s.listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("control socket: %w", err)
}

// Close closes the socket, whether or not Serve was called.
func (s *Server) Close() error {
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

type uidKey struct{}

// peerUID is the peer's user ID according to the kernel, or the largest value if
// it is unknown.
func peerUID(c net.Conn) uint32 {
	const nobody = ^uint32(0)
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nobody
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nobody
	}
	uid := nobody
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = cred.Uid
		}
	})
	return uid
}

func routes(d Daemon, stop <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", answer(func(*http.Request, struct{}) (Status, error) { return d.Status(), nil }))
	mux.HandleFunc("GET /bans", answer(func(*http.Request, struct{}) ([]incident.Ban, error) { return d.Bans(), nil }))
	mux.HandleFunc("GET /partial", answer(func(*http.Request, struct{}) ([]incident.PartialBlock, error) { return d.Partial(), nil }))
	mux.HandleFunc("GET /incidents", answer(func(r *http.Request, _ struct{}) ([]incident.Incident, error) {
		limit, err := strconv.Atoi(r.FormValue("limit"))
		if err != nil || limit < 1 {
			return nil, Refusal("limit: want a positive number")
		}
		return d.Incidents(limit)
	}))
	mux.HandleFunc("GET /incidents/{id}", answer(func(r *http.Request, _ struct{}) (incident.Incident, error) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return incident.Incident{}, Refusal("incident: want a number")
		}
		return d.Incident(id)
	}))
	mux.HandleFunc("POST /ban", answer(func(r *http.Request, o BanOrder) (Changed, error) { return d.Ban(uid(r), o) }))
	mux.HandleFunc("POST /unban", answer(func(r *http.Request, o UnbanOrder) (Changed, error) { return d.Unban(uid(r), o) }))
	mux.HandleFunc("GET /allow", answer(func(*http.Request, struct{}) ([]Allowed, error) { return d.AllowList(), nil }))
	mux.HandleFunc("POST /allow", answer(func(r *http.Request, o AllowOrder) (Changed, error) { return d.Allow(uid(r), o) }))
	mux.HandleFunc("GET /scores/{kind}", answer(func(r *http.Request, _ struct{}) ([]ScoreStatus, error) {
		limit, err := strconv.Atoi(r.FormValue("limit"))
		if err != nil || limit < 1 {
			return nil, Refusal("limit: want a positive number")
		}
		return d.Scores(r.PathValue("kind"), limit)
	}))
	mux.HandleFunc("GET /accounts", answer(func(*http.Request, struct{}) ([]string, error) { return d.Accounts(), nil }))
	mux.HandleFunc("GET /orders", answer(func(*http.Request, struct{}) ([]Order, error) { return d.Orders(), nil }))
	mux.HandleFunc("GET /spending", answer(func(*http.Request, struct{}) (Spending, error) { return d.Spending(), nil }))
	mux.HandleFunc("POST /history", answer(func(r *http.Request, h History) (Changed, error) { return d.Teach(r.Context(), uid(r), h) }))
	mux.HandleFunc("POST /rotate", answer(func(r *http.Request, o AccountOrder) (AccountDone, error) {
		return d.Rotate(r.Context(), uid(r), o)
	}))
	mux.HandleFunc("POST /lock", answer(func(r *http.Request, o AccountOrder) (AccountDone, error) {
		return d.Lock(r.Context(), uid(r), o)
	}))
	mux.HandleFunc("POST /unlock", answer(func(r *http.Request, o AccountOrder) (AccountDone, error) {
		return d.Unlock(r.Context(), uid(r), o)
	}))
	mux.HandleFunc("POST /hangup", answer(func(r *http.Request, o AccountOrder) (AccountDone, error) {
		return d.Hangup(r.Context(), uid(r), o)
	}))
	mux.HandleFunc("POST /trust", answer(func(r *http.Request, o TrustOrder) (AccountDone, error) { return d.Trust(uid(r), o) }))
	mux.HandleFunc("POST /compromise", answer(func(r *http.Request, o AccountOrder) (AccountDone, error) { return d.Compromise(uid(r), o) }))
	mux.HandleFunc("GET /breakins", answer(func(*http.Request, struct{}) ([]BreakIn, error) { return d.BreakIns(), nil }))
	mux.HandleFunc("POST /breakins", answer(func(r *http.Request, o AccountOrder) (AccountDone, error) { return d.ActOn(uid(r), o) }))
	mux.HandleFunc("GET /watch/bans", func(w http.ResponseWriter, r *http.Request) {
		changes, end := d.WatchBans()
		defer end()
		stream(w, r, stop, changes)
	})
	mux.HandleFunc("GET /watch/incidents", func(w http.ResponseWriter, r *http.Request) {
		changes, end := d.WatchIncidents()
		defer end()
		stream(w, r, stop, changes)
	})
	mux.HandleFunc("POST /pause", answer(func(r *http.Request, o PauseOrder) (Paused, error) { return d.Pause(uid(r), o) }))
	mux.HandleFunc("POST /resume", answer(func(r *http.Request, _ struct{}) (Paused, error) { return d.Resume(uid(r)) }))
	mux.HandleFunc("POST /prove", answer(func(r *http.Request, _ struct{}) (Proof, error) { return d.Prove(r.Context(), uid(r)) }))
	mux.HandleFunc("POST /reload", answer(func(r *http.Request, _ struct{}) (Changed, error) { return d.Reload(uid(r)) }))
	return mux
}

// stream writes each change as one line of JSON until the client disconnects, falls
// behind, or the daemon stops.
func stream[T any](w http.ResponseWriter, r *http.Request, stop <-chan struct{}, changes <-chan T) {
	flush := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	enc := json.NewEncoder(w)
	for {
		if flush.Flush() != nil {
			return
		}
		select {
		case change, ok := <-changes:
			if !ok || enc.Encode(change) != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-stop:
			return
		}
	}
}

func uid(r *http.Request) uint32 { return r.Context().Value(uidKey{}).(uint32) }

// failure is the body of every response with a status other than 200.
type failure struct {
	Error string `json:"error"`
}

// answer turns a function from a decoded request to a response into a handler.
func answer[Req, Resp any](f func(*http.Request, Req) (Resp, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if r.Method == http.MethodPost {
			dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&req); err != nil {
				reply(w, http.StatusBadRequest, failure{"request: " + err.Error()})
				return
			}
		}
		resp, err := f(r, req)
		var refusal Refusal
		var incomplete Incomplete
		if errors.As(err, &incomplete) {
			w.Header().Set(incompleteHeader, string(incomplete))
			err = nil
		}
		switch {
		case errors.As(err, &refusal):
			reply(w, http.StatusConflict, failure{err.Error()})
		case err != nil:
			reply(w, http.StatusInternalServerError, failure{err.Error()})
		default:
			reply(w, http.StatusOK, resp)
		}
	}
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // fails only when the client is gone
}
