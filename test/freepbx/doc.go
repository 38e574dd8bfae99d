// Package freepbx is a model of FreePBX for tests: the tables that its core makes, in a
// MariaDB of the test's own, and what Apply Config makes of them: Asterisk's files, a
// reload, and the end of the red button. A [PBX] has these files on a real Asterisk of
// package lab.
//
// It is written from what is known of FreePBX 15 to 17, and holds as much of it as
// Tollwarden touches: extensions of PJSIP and chan_sip, a trunk of each, and the files
// that FreePBX leaves to the administrator.
package freepbx
