// Package spending counts what calls cost: minutes, calls and money, for each account,
// for each trunk and for the site, of finished calls and of those that are up. It says
// when a limit is reached. It is pure: no I/O, no goroutines, no clock, no locks. The
// caller serialises access and passes the time.
//
// Only calls of a Class count: calls abroad, and to premium, satellite and personal
// numbers. Limits apply to any 24 hours that end now, apart for calls within working
// hours and outside. What is usual for the site is learned (learned.go): to places that
// are called regularly, an account may spend more than to others.
package spending
