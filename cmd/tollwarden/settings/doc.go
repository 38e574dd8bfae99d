// Package settings turns the configuration into what the other packages take:
// the judge's policy, the firewall's table, the options of package pbx, dialers
// and receivers of messages. The daemon and the commands that explain or try a
// configuration share it.
package settings
