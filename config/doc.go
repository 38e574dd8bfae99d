// Package config reads Tollwarden's one TOML file.
//
// Parse decodes the file strictly into the types of file.go, checks every value
// and returns a Config: durations, prefixes and modes instead of strings, with
// all defaults filled in. The embedded reference.toml documents every key and is
// where the defaults come from.
//
// A name that was ever released keeps working. To rename a key, add a field for
// the new one in file.go and mark the old field with the tag `now`; renamedSteps
// does the same for steps. Each use of an old name becomes a Warning.
package config
