// Package calls follows channels from their events: which account has which
// channels up. It is pure: no I/O, no goroutine, no clock, no lock; the caller
// serialises.
package calls
