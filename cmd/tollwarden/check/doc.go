// Package check explains a configuration in words and tests that it works on this
// machine: that the kernel takes the ruleset, that files can be written, that
// Asterisk lets us in and that messages can be delivered. It changes nothing.
package check
