// Package pbx is everything that is asked of or done to Asterisk over AMI: it
// lists contacts, carriers, accounts and channels; it ends calls, changes
// passwords, removes registrations, and locks or restricts accounts.
//
// Manager does that over a Link, which holds the session there is and waits for
// one when there is none. An account is a PJSIP endpoint or a chan_sip peer; on
// Asterisk 20 and older one name can be both. Every effect is checked by asking
// Asterisk again, and a rotation that cannot be proven is undone. No error and no
// detail ever holds a secret.
package pbx
