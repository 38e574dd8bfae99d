package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/tollwarden/tollwarden/responder/report"
)

// Webhook posts messages as JSON. Its URL often contains a token, so it appears
// in no name and no error.
type Webhook struct{ URL string }

// poster does not follow redirects: a redirected POST usually arrives as a GET,
// without its body.
var poster = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Name names the webhook's host.
func (h *Webhook) Name() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "webhook"
	}
	return "webhook " + u.Host
}

// Deliver posts a message.
func (h *Webhook) Deliver(ctx context.Context, m *Message) error {
	var body bytes.Buffer
	if err := json.NewEncoder(report.JSON(&body)).Encode(m.JSON); err != nil {
		return Refusal{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, &body)
	if err != nil {
		return errors.New("bad URL")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := poster.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err // without the URL
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be reused
	if resp.StatusCode < 300 {
		return nil
	}
	err = fmt.Errorf("answered %s", oneLine(resp.Status, maxSubject))
	switch {
	case resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode == http.StatusTooManyRequests:
	case resp.StatusCode < 500:
		return Refusal{err}
	}
	return err
}

// Check connects to the webhook's host without posting.
func (h *Webhook) Check(ctx context.Context) error {
	u, err := url.Parse(h.URL)
	if err != nil {
		return errors.New("bad URL")
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // the system's services database knows http and https
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}
