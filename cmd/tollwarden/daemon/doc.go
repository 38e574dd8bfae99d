// Package daemon is the daemon: it opens what package responder works with, keeps
// it running and reports how it is.
//
//	daemon       opens everything in order, runs and closes it
//	sessions     the two connections to Asterisk, and the gaps between events
//	canary       proves that Asterisk's security events arrive
//	lastseen     what a run leaves to the next one
//	logsensor    Asterisk's log, the second source of events
//	wire         SIP over UDP, as the kernel shows it
//	kernel       the firewall's table and its guard
//	ports        Asterisk's ports, which bans close
//	configuration, allowlist, reload
//	             what is in force, and how it changes
//	health, systemd
//	             the checks, and who learns that they fail
//	effect       bans without effect, and attacks that go on
//	notifier, alarm, exec
//	             messages, and the operator's command
//	api          answers the commands; metrics answers monitoring
//
// Each component has its own state and lock; New connects them.
package daemon
