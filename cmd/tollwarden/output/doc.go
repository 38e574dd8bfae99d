// Package output is how the commands print: tables, colors on a terminal, JSON,
// and text from the network made harmless.
package output
