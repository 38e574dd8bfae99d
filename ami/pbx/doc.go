// Package pbx is everything that is asked of or done to Asterisk over AMI: it
// lists contacts, carriers, accounts and channels; it ends calls, changes
// passwords, removes registrations, and locks or restricts accounts.
//
// Manager does that over a Link, which holds the current session and waits for
// one when there is none. An account is a PJSIP endpoint or a chan_sip peer; on
// Asterisk 20 and older one name can be both. Every effect is checked by asking
// Asterisk again, and a rotation that cannot be proven is undone. No error and no
// detail ever holds a secret.
//
// Manager only puts together types that have one subject each:
//
//	inventory      lists accounts, registrations and channels
//	carriers       lists the addresses that the configuration names
//	listeners      lists the UDP ports that Asterisk listens on
//	hangups        end calls
//	registrations  removes registrations
//	rotations      change secrets
//	locks          move accounts to another dialplan context
//	restrictions   limit accounts to networks
//	audit          privileges of the AMI user, risky settings
//
// All of them ask through asterisk, which sends one action and reads the answer.
// What changes Asterisk's configuration goes through the editor of its files,
// one change at a time, or through its realtime database.
package pbx
