// Package edit changes single keys of a TOML text and leaves everything else as the person
// wrote it: comments, order, spacing and line ends. What it cannot change for certain, it
// refuses, naming the line.
package edit
