// Package amitest is a small PBX that speaks Asterisk's manager interface over
// TCP, for tests and for the demo. Formats, orders and refusals are those of
// Asterisk's own main/manager.c, main/db.c, main/config.c, res/res_pjsip and
// channels/chan_sip.c; what Asterisk would need a phone for is told to it by
// methods.
//
// A PBX holds accounts in pjsip.conf and sip.conf, contacts in a database,
// channels, and manager sessions. Every change raises the events Asterisk would
// raise, in one order for all sessions, filtered by each session's event mask.
// Like Asterisk it cuts off a session that does not read for 100 ms.
package amitest
