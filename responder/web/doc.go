// Package web serves monitoring systems: /healthz answers 200 while the daemon
// would stop an attack and 503 while it might not, as in the first moment of a start, and /metrics is for Prometheus.
// Both are read-only and reveal no secret, account or IP address.
package web
