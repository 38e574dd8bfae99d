package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tollwarden/tollwarden/responder/control"
)

// Source is the daemon. Its methods are called for each request, from any
// goroutine.
type Source interface {
	// Health is the state and the checks of `tollwarden status`.
	Health() (state string, checks []control.Check)
	// Reading is the state that the metrics show.
	Reading() Reading
}

// Server answers /healthz and /metrics.
type Server struct {
	listener net.Listener
	http     http.Server
}

// Listen opens the address, host:port. Requests are answered once Serve runs.
func Listen(address string, s Source) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("health.listen: %w", err)
	}
	return &Server{listener: l, http: http.Server{
		Handler: Handler(s), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
		MaxHeaderBytes: 16 << 10,
	}}, nil
}

// Handler serves both paths for a source.
func Handler(s Source) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { healthz(w, s) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}

// healthz answers the state and the names of the failing checks. The reasons may reveal
// addresses; they are on the control socket, for those who may open it.
func healthz(w http.ResponseWriter, s Source) {
	state, checks := s.Health()
	answer := struct {
		Health  string   `json:"health"`
		Failing []string `json:"failing,omitempty"`
	}{Health: state}
	for _, c := range checks {
		if !c.OK {
			answer.Failing = append(answer.Failing, c.Name)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if answer.Health != control.Healthy && answer.Health != control.Observing { // which is what a person chose, not a fault
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // fails only when the client is gone
}

// Close releases the address if Serve was never called.
func (s *Server) Close() error {
	err := s.http.Close()
	if closed := s.listener.Close(); !errors.Is(closed, net.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health.listen: %w", err)
	}
	return nil
}
