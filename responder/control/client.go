package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// ErrNotRunning means that no daemon answers on the socket.
var ErrNotRunning = errors.New("no daemon answers")

// Client sends requests to the daemon on one socket.
type Client struct {
	path string
	http http.Client
}

// Dial prepares a client for the socket at path. Every request opens its own
// connection.
func Dial(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
}

// Timeouts of requests. Orders may have to wait for Asterisk.
const (
	askWithin   = 30 * time.Second
	orderWithin = 90 * time.Second
)

// Status returns the daemon's health.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// Bans returns the bans in force, newest first.
func (c *Client) Bans(ctx context.Context) (b []incident.Ban, err error) {
	return b, c.do(ctx, http.MethodGet, "/bans", nil, &b)
}

// Partial returns the partial blocks in force, newest first.
func (c *Client) Partial(ctx context.Context) (b []incident.PartialBlock, err error) {
	return b, c.do(ctx, http.MethodGet, "/partial", nil, &b)
}

// Incidents returns the newest incidents. With an Incomplete error they are valid
// but not all there.
func (c *Client) Incidents(ctx context.Context, limit int) (i []incident.Incident, err error) {
	return i, c.do(ctx, http.MethodGet, "/incidents?limit="+strconv.Itoa(limit), nil, &i)
}

// Incident returns one incident with its evidence. With an Incomplete error it is
// valid but not all there.
func (c *Client) Incident(ctx context.Context, id int64) (i incident.Incident, err error) {
	return i, c.do(ctx, http.MethodGet, "/incidents/"+strconv.FormatInt(id, 10), nil, &i)
}

// Ban bans a prefix.
func (c *Client) Ban(ctx context.Context, o BanOrder) (ch Changed, err error) {
	return ch, c.do(ctx, http.MethodPost, "/ban", o, &ch)
}

// Unban releases everything about an address, one flow, or everything.
func (c *Client) Unban(ctx context.Context, o UnbanOrder) (ch Changed, err error) {
	return ch, c.do(ctx, http.MethodPost, "/unban", o, &ch)
}

// Allow changes the allow list.
func (c *Client) Allow(ctx context.Context, o AllowOrder) (ch Changed, err error) {
	return ch, c.do(ctx, http.MethodPost, "/allow", o, &ch)
}

// AllowList returns every prefix that is never banned or only on confirmed
// evidence.
func (c *Client) AllowList(ctx context.Context) (a []Allowed, err error) {
	return a, c.do(ctx, http.MethodGet, "/allow", nil, &a)
}

// Scores returns the keys of a kind (source, network, account) that are nearest
// to a threshold.
func (c *Client) Scores(ctx context.Context, kind string, limit int) (s []ScoreStatus, err error) {
	return s, c.do(ctx, http.MethodGet, "/scores/"+url.PathEscape(kind)+"?limit="+strconv.Itoa(limit), nil, &s)
}

// Accounts returns the names of the accounts that the daemon knows.
func (c *Client) Accounts(ctx context.Context) (names []string, err error) {
	return names, c.do(ctx, http.MethodGet, "/accounts", nil, &names)
}

// Orders returns what must stay in force for accounts.
func (c *Client) Orders(ctx context.Context) (list []Order, err error) {
	return list, c.do(ctx, http.MethodGet, "/orders", nil, &list)
}

// Spending returns what calls have used of their budgets.
func (c *Client) Spending(ctx context.Context) (s Spending, err error) {
	return s, c.do(ctx, http.MethodGet, "/spending", nil, &s)
}

// Teach gives the daemon what records of past calls have taught. It must fit in a request.
func (c *Client) Teach(ctx context.Context, h History) (done Changed, err error) {
	return done, c.do(ctx, http.MethodPost, "/history", h, &done)
}

// Rotate changes the secret of an account.
func (c *Client) Rotate(ctx context.Context, o AccountOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/rotate", o, &d)
}

// Hangup ends every call of an account.
func (c *Client) Hangup(ctx context.Context, o AccountOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/hangup", o, &d)
}

// WatchBans calls see for every change of a ban from now on, until see fails, ctx
// ends or the daemon ends the stream (ErrEnded).
func (c *Client) WatchBans(ctx context.Context, see func(BanChange) error) error {
	return watch(ctx, c, "/watch/bans", see)
}

// WatchIncidents calls see for every new incident and every change of a step, like
// WatchBans.
func (c *Client) WatchIncidents(ctx context.Context, see func(incident.Incident) error) error {
	return watch(ctx, c, "/watch/incidents", see)
}

// ErrEnded means that the daemon ended a watch.
var ErrEnded = errors.New("the daemon ended the watch: it was stopped, or this command read too slowly")

func watch[T any](ctx context.Context, c *Client, path string, see func(T) error) error {
	resp, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	for {
		var change T
		if err := lines.Decode(&change); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return ErrEnded
		}
		if err := see(change); err != nil {
			return err
		}
	}
}

// Reload makes the daemon reload its configuration.
func (c *Client) Reload(ctx context.Context) (ch Changed, err error) {
	return ch, c.do(ctx, http.MethodPost, "/reload", struct{}{}, &ch)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	within := askWithin
	if method == http.MethodPost {
		within = orderWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	resp, err := c.ask(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if why := resp.Header.Get(incompleteHeader); why != "" {
		return Incomplete(why)
	}
	return nil
}

// ask sends one request and returns the response if its status is 200; the caller
// closes its body.
func (c *Client) ask(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://tollwarden"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil && method == http.MethodPost && errors.Is(context.Cause(ctx), context.Canceled) {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&f); err != nil || f.Error == "" {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return nil, errors.New(f.Error)
}

// errInterrupted is what a person hears who does not wait for an order to be carried out.
var errInterrupted = errors.New("interrupted: the daemon ends no further call, but finishes a change of Asterisk's configuration that it has begun: `tollwarden orders` lists what stays in force")

// unitFolders are where systemd looks for units.
var unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// HasUnit says whether systemd runs here, as in few containers, and has a unit for the daemon,
// as with the packages.
func HasUnit() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return false
	}
	return slices.ContainsFunc(unitFolders, func(folder string) bool {
		_, err := os.Stat(filepath.Join(folder, "tollwarden.service"))
		return err == nil
	})
}

// Where the packages and setup put the daemon's socket and configuration.
const (
	usualSocket = "/run/tollwarden.sock"
	usualConfig = "/etc/tollwarden/tollwarden.toml"
)

// unreachable explains in one line what to do about a socket that does not answer.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied: run the command as the daemon's user or as root", c.path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		if _, err := os.Stat(usualConfig); c.path == usualSocket && errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w, and there is no %s: `tollwarden setup` makes it and starts the daemon", ErrNotRunning, usualConfig)
		}
		start := "`tollwarden run`"
		if HasUnit() {
			start = "`systemctl start tollwarden`"
		}
		return fmt.Errorf("%w on %s: start it with %s, or give its socket with --socket", ErrNotRunning, c.path, start)
	}
	return fmt.Errorf("control socket %s: %w", c.path, err)
}

// Lock blocks all calls of an account.
func (c *Client) Lock(ctx context.Context, o AccountOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/lock", o, &d)
}

// Unlock ends the lock of an account, or its restriction to known networks.
func (c *Client) Unlock(ctx context.Context, o AccountOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/unlock", o, &d)
}

// Trust ends the probation of an address: it is the account's own.
func (c *Client) Trust(ctx context.Context, o TrustOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/trust", o, &d)
}

// Compromise has the playbook of a break-in carried out for an account.
func (c *Client) Compromise(ctx context.Context, o AccountOrder) (d AccountDone, err error) {
	return d, c.do(ctx, http.MethodPost, "/compromise", o, &d)
}
