// Package config reads Tollwarden's one TOML file.
//
// Parse decodes the file strictly into the shapes of file.go, checks every
// value, and returns a second, typed Config: durations, prefixes and modes
// instead of strings, every default filled in. reference.toml, embedded here,
// is the documentation of every key and is itself parsed by a test.
package config
