// Package logfile reads Asterisk's own logs as the second pair of eyes beside
// the manager interface: the security log, and the NOTICE and WARNING lines of
// messages and full, which tell of attempts that raise no event at all. What it
// finds is an event.Event, so that the same judgement serves both.
//
// Nothing in a log is escaped. A stranger writes the From and the Call-ID of a
// line, and can end it: an account name that Asterisk decodes may hold a line
// feed, and what follows stands at the beginning of a line of its own. So a line
// is believed only when it is whole: its prefix, Asterisk's own words at their
// places up to the last character, and behind it another line that begins as
// Asterisk's do. The source is always the address that stands where Asterisk
// puts it. What cannot be told apart is tampering, and accuses nobody.
package logfile
