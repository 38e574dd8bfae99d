// Package mariadb changes the few values of a MariaDB or MySQL database that
// Asterisk's passwords, contexts and address rules come from: FreePBX's and
// Issabel's own tables, and the tables of PJSIP realtime.
//
// It connects over the server's Unix socket as a database user whose name is that
// of the process's user, so that there is no password, and needs no more than the
// columns that Grants list: it can set a password of an extension but read none.
package mariadb
