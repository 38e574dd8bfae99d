// Package control is how the commands speak to the running daemon: HTTP with
// JSON over a unix socket that only its owner may open. The types here are
// what both sides share, and the stable shape of every --json output.
package control
