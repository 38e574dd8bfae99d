// Package setup sets Tollwarden up beside the Asterisk on this machine: it finds
// manager.conf, proposes a user in it and a configuration, writes both and tests
// them.
package setup
