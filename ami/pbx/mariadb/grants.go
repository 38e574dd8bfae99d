package mariadb

import (
	"cmp"
	"fmt"
	"strings"
)

// account is the database user, who logs in over the socket alone.
func (o Options) account() string {
	return "'" + strings.ReplaceAll(cmp.Or(o.User, User), "'", "''") + "'@'localhost'"
}

// Create are the statements that make the database user: no password, since the server
// asks the kernel who is at the other end of its socket. They do nothing if it is there.
// (MariaDB 5.5 has no CREATE USER IF NOT EXISTS.)
func (o Options) Create() []string {
	return []string{fmt.Sprintf("GRANT USAGE ON *.* TO %s IDENTIFIED VIA unix_socket", o.account())}
}

// FreePBXGrants let the user set values of extensions and ask for Apply Config, without
// reading a value, deleting or renaming.
func (o Options) FreePBXGrants() []string {
	name := quote(cmp.Or(o.Name, FreePBX))
	return []string{
		fmt.Sprintf("GRANT SELECT (id, keyword, flags), UPDATE (data) ON %s.sip TO %s", name, o.account()),
		fmt.Sprintf("GRANT SELECT, UPDATE (value) ON %s.admin TO %s", name, o.account()),
	}
}

// RealtimeGrants let the user set passwords, contexts and address rules of PJSIP realtime,
// and read the latter two; these tables are those of auth objects and of endpoints.
func (o Options) RealtimeGrants(auths, endpoints string) []string {
	name := quote(cmp.Or(o.Name, FreePBX))
	return []string{
		fmt.Sprintf("GRANT SELECT (id), UPDATE (password, md5_cred) ON %s.%s TO %s", name, quote(auths), o.account()),
		fmt.Sprintf("GRANT SELECT (id, context, deny, permit), UPDATE (context, deny, permit) ON %s.%s TO %s", name, quote(endpoints), o.account()),
	}
}

// CallsGrant lets the user read the records of past calls, which FreePBX keeps in a
// database of their own.
func (o Options) CallsGrant(database string) string {
	return fmt.Sprintf("GRANT SELECT ON %s.cdr TO %s", quote(database), o.account())
}

// Drop are the statements that remove the database user.
func (o Options) Drop() []string { return []string{"DROP USER " + o.account()} }
