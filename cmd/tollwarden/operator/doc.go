// Package operator finds out where the person who runs a command is logged in
// from, so that no order of theirs cuts their own session.
package operator
