// Package fail2ban takes over what fail2ban knows: its bans, with the time they
// have left, and the addresses in its ignoreip.
package fail2ban
