package main

import (
	"context"
	"sync/atomic"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
)

// receiver is whoever notify tells at the moment: a reload may change it.
type receiver struct{ hook atomic.Pointer[webhook] }

func (r *receiver) set(n config.Notify) {
	if n.Webhook == "" {
		r.hook.Store(nil)
		return
	}
	r.hook.Store(&webhook{url: n.Webhook, within: n.Within})
}

// Notify tells of an incident.
func (r *receiver) Notify(ctx context.Context, i *responder.Incident) (string, error) {
	return r.deliver(ctx, showIncident(i))
}

// deliver posts anything; "" when there is nobody.
func (r *receiver) deliver(ctx context.Context, body any) (string, error) {
	h := r.hook.Load()
	if h == nil {
		return "", nil
	}
	return h.deliver(ctx, body)
}
