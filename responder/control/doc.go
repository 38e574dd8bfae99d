// Package control connects the commands to the running daemon: HTTP with JSON over
// a Unix socket that only its owner may open. Both sides share the types here,
// which are also the stable format of every --json output.
package control
