// Package peer acts on one account of an Asterisk PBX over AMI: it changes the
// account's secret, throws out its registrations, hangs up its calls, and lists
// who is registered and who is talking.
//
// An account is a PJSIP endpoint or a chan_sip peer; on Asterisk 20 and older
// one name can be both. Every effect is checked by asking Asterisk again, and a
// rotation that cannot be proven is undone. No secret is ever part of an error
// or of a detail string.
package peer
