// Package notify tells people outside of what happened: by webhook, e-mail and
// syslog.
//
// Each receiver has an outbox and a goroutine of its own, so that one that is
// dead delays no other and nobody who tells. An outbox tries again until its
// receiver answers, sends only so many messages of one kind singly, and names
// the rest in a digest; what it has no room to name is counted there.
//
// Much of what is told was written by strangers: account names, numbers,
// User-Agents. Every value is made plain (report.Plain) before a template sees
// it, and what a template made once more, line by line, so that no value begins
// a line, a header or an escape sequence of its own.
package notify
