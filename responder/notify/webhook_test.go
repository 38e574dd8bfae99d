package notify_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/notify"
)

// The status code decides whether a delivery is retried. The URL, which is a
// secret, appears in no error.
func TestWebhook(t *testing.T) {
	for status, want := range map[int]struct{ ok, refused bool }{
		200: {ok: true}, 204: {ok: true}, 302: {refused: true}, 400: {refused: true}, 404: {refused: true},
		408: {}, 429: {}, 500: {}, 503: {},
	} {
		var body []byte
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ = io.ReadAll(r.Body)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		h := &notify.Webhook{URL: server.URL + "/secret-token"}
		if err := h.Check(t.Context()); err != nil || body != nil {
			t.Errorf("check: %v, posted %q", err, body)
		}
		err := h.Deliver(t.Context(), &notify.Message{JSON: map[string]string{"account": "10\r\n<b>"}})
		if (err == nil) != want.ok || errors.As(err, new(notify.Refusal)) != want.refused {
			t.Errorf("%d: %v", status, err)
		}
		var got map[string]string
		if json.Unmarshal(body, &got) != nil || got["account"] != "10\r\n<b>" {
			t.Errorf("%d: it got %q", status, body)
		}
		server.Close()
		if err := h.Deliver(t.Context(), &notify.Message{}); err == nil || strings.Contains(err.Error(), "token") {
			t.Errorf("a server that is gone: %v", err)
		}
		if strings.Contains(h.Name(), "token") {
			t.Errorf("named %s", h.Name())
		}
	}
}
