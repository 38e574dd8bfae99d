package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// webhook tells one receiver by POST: of incidents, in the same JSON as
// `tollwarden incident ID --json`, and of alarms about the daemon itself.
type webhook struct {
	url    string
	within time.Duration // of one try
	client http.Client
}

// deliver posts, again a few times when the receiver fails. The URL stays out
// of errors and records: webhooks carry tokens.
func (h *webhook) deliver(ctx context.Context, what any) (string, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, h.post(ctx, body) },
		backoff.WithMaxTries(4), backoff.WithBackOff(backoff.NewExponentialBackOff()))
	if err != nil {
		return "", fmt.Errorf("webhook %s: %w", h.host(), err)
	}
	return "webhook " + h.host(), nil
}

func (h *webhook) host() string {
	u, err := url.Parse(h.url)
	if err != nil {
		return "?"
	}
	return u.Host
}

func (h *webhook) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, h.within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("bad URL"))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err // without the URL
	}
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 300 {
		err = fmt.Errorf("answered %s", resp.Status)
		if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
			return backoff.Permanent(err)
		}
		return err
	}
	return nil
}
