// Package notify sends incidents and alarms to people by webhook, e-mail and
// syslog.
//
// Each receiver has its own outbox and goroutine, so a dead receiver delays
// neither the others nor the sender. An outbox retries until its receiver
// answers. It sends only a limited number of messages of one kind individually
// and lists the rest in a digest; messages that do not fit in the digest are
// counted there.
//
// Much of the content comes from attackers: account names, dialled numbers,
// User-Agents. Every value is sanitized (report.Plain) before a template sees
// it, and the template's output is sanitized again, line by line, so no value
// can start a line, a header or an escape sequence of its own.
package notify
