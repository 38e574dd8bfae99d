// Package logfile reads Asterisk's logs as a second sensor beside the manager interface:
// the security log, and the NOTICE and WARNING lines of messages and full, which report
// attempts that raise no event. Its findings are event.Events, so that both sensors share
// the same analysis.
//
// Asterisk does not escape its logs. Senders choose the From and the Call-ID in a line,
// and can even end the line: an account name that Asterisk decodes may contain a line
// feed, and the rest of it starts a new line. So a line is accepted only if it is
// complete: the prefix and Asterisk's own words are in their places up to the last
// character, and the next line starts like one of Asterisk's. The source is always the
// address in the place where Asterisk writes it. Anything ambiguous is tampering and is
// not attributed to a source.
//
// Others add prefixes to Asterisk's lines, and write their own between them: syslog, the
// journal, containers. What others than Asterisk can have written is a doubtful Record, and
// its event proves nothing; so is what follows closely after a line that can bring whole
// lines of its sender with it (trust.go).
package logfile
