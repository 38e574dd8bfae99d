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
	"strconv"
	"syscall"
	"time"
)

// ErrNotRunning means that no daemon answers on the socket.
var ErrNotRunning = errors.New("no daemon answers")

// Client asks the daemon on one socket.
type Client struct {
	path string
	http http.Client
}

// Dial prepares a client for the socket at path; the connection is made with
// the first question.
func Dial(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second,
	}}
}

// Status asks for the daemon's health.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// Bans asks for the bans in force, newest first.
func (c *Client) Bans(ctx context.Context) (b []Ban, err error) {
	return b, c.do(ctx, http.MethodGet, "/bans", nil, &b)
}

// Incidents asks for the newest incidents.
func (c *Client) Incidents(ctx context.Context, limit int) (i []Incident, err error) {
	return i, c.do(ctx, http.MethodGet, "/incidents?limit="+strconv.Itoa(limit), nil, &i)
}

// Incident asks for one incident with its evidence.
func (c *Client) Incident(ctx context.Context, id int64) (i Incident, err error) {
	return i, c.do(ctx, http.MethodGet, "/incidents/"+strconv.FormatInt(id, 10), nil, &i)
}

// Ban orders a ban.
func (c *Client) Ban(ctx context.Context, o BanOrder) (ch Changed, err error) {
	return ch, c.do(ctx, http.MethodPost, "/ban", o, &ch)
}

// Unban orders a release.
func (c *Client) Unban(ctx context.Context, o UnbanOrder) (ch Changed, err error) {
	return ch, c.do(ctx, http.MethodPost, "/unban", o, &ch)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://tollwarden"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("%s: %s", path, resp.Status)
		}
		return errors.New(f.Error)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// unreachable says in one line what to do about a socket that does not answer.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied: run the command as the daemon's user or as root", c.path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: start `tollwarden run`, or name its socket with --socket", ErrNotRunning, c.path)
	}
	return fmt.Errorf("control socket %s: %w", c.path, err)
}
