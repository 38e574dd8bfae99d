package responder

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// still is a responder that nobody runs.
func still(t *testing.T, p Policy, parts Parts) *Responder {
	t.Helper()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	observe := p.Observe
	p.Observe = true // the kernel is not asked
	parts.Ledger, parts.Log = l, zerolog.Nop()
	r, err := New(noon, p, parts)
	if err != nil {
		t.Fatal(err)
	}
	r.policy.Observe = observe
	return r
}
