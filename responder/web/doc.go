// Package web is what machines that watch over machines ask: /healthz, whose
// answer is 200 while the daemon would stop an attack now and 503 while it
// might not, and /metrics, for Prometheus. Both are read-only and hold no
// secret, no account and no address of anybody.
package web
