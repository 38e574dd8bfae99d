package check

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/numbers"
)

type forwarded []calls.Forward

func (f forwarded) Forwards(context.Context) ([]calls.Forward, error) {
	if f == nil {
		return nil, errors.New("no session")
	}
	return f, nil
}

// Forwards that cost are named; those within the site and the country are not.
func TestListForwards(t *testing.T) {
	rules := calls.Rules{Dialling: numbers.Dialling{Country: "GB", Internal: 6}}
	got := text(listForwards(t.Context(), forwarded{
		{Account: "1002", Which: "all calls", Number: "00881612345678"},
		{Account: "1003", Which: "all calls", Number: "1004"},
		{Account: "1004", Which: "calls while busy", Number: "07700900123"},
	}, rules))
	if want := "warning  : all calls of 1002 are forwarded to 00881612345678, satellite. Is that yours?\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := text(listForwards(t.Context(), forwarded(nil), rules)); !strings.Contains(got, "no session") {
		t.Errorf("%q does not say why nothing is known", got)
	}
}
