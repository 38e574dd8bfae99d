package ami

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"

	goami "github.com/heltonmarx/goami/ami"
)

// ErrAuth reports that Asterisk rejected the login. Asterisk does not distinguish a wrong
// secret, an unknown user, and an address excluded by the user's permit and deny.
var ErrAuth = errors.New("wrong secret, unknown user, or an address its permit/deny refuses")

// Login logs in by MD5 challenge, so that the secret is not sent over the network. If the
// server does not support challenges, it sends the secret in plain text. events is the
// event mask, such as "security,call" or "off". If Asterisk rejects the login, it
// responds after a second and closes the connection; the error is ErrAuth.
func (c *Client) Login(ctx context.Context, username, secret, events string) error {
	proof, err := c.proof(ctx, secret)
	if err != nil {
		return fmt.Errorf("ami: log in as %q: %w", username, err)
	}
	fields := append([]Field{{"Username", username}}, proof...)
	_, err = c.Do(ctx, Action{Name: "Login", Fields: append(fields, Field{"Events", events})})
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && refusal.Message == "Authentication failed":
		return fmt.Errorf("ami: log in as %q: %w; compare username and secret with manager.conf", username, ErrAuth)
	case err != nil:
		return fmt.Errorf("ami: log in as %q: %w", username, err)
	}
	return nil
}

// proof returns the fields that prove the secret. A server that responds to Challenge
// with an error does not support it.
func (c *Client) proof(ctx context.Context, secret string) ([]Field, error) {
	r, err := goami.Challenge(ctx, NewSession(c), "")
	var refusal *Error
	if errors.As(err, &refusal) || err == nil && r.Get("Challenge") == "" {
		return []Field{{"Secret", secret}}, nil
	}
	if err != nil {
		return nil, err
	}
	sum := md5.Sum([]byte(r.Get("Challenge") + secret))
	return []Field{{"AuthType", "MD5"}, {"Key", hex.EncodeToString(sum[:])}}, nil
}
