// Package amitest is a small PBX that implements Asterisk's manager interface over TCP,
// for tests and for the demo. Formats, orders and errors are those of Asterisk's
// main/manager.c, main/db.c, main/config.c, res/res_pjsip and channels/chan_sip.c. Methods
// replace what phones do.
//
// A PBX has accounts in pjsip.conf and sip.conf, contacts in a database, channels, and
// manager sessions. Every change raises the events that Asterisk would raise, in the same
// order for all sessions, filtered by each session's event mask. Like Asterisk, it
// disconnects a session that does not read for 100 ms.
package amitest
