package score

import (
	"bytes"
	"strings"
)

// Some calls leave the PBX though no account of a phone sets them up: a caller from
// outside is sent out again, or the PBX dials by itself. They belong to an origin, which
// has a name like an account's, so that habits, limits and incidents can name it, and a
// kind of key of its own (PerOrigin), since nobody's password can be changed for it.
// SIP peers cannot have a slash in their names (see ManagerAccounts).
const (
	// PBXItself is the origin of calls that the PBX makes by itself: Originate over the
	// manager interface or in the dialplan, call files, `channel originate`.
	PBXItself = "pbx/itself"
	// TrunkOrigins is the prefix of the origins of calls that came in from outside. The
	// trunk's name follows.
	TrunkOrigins = "trunk/"
)

// IsOrigin reports whether a name is that of an origin and not of an account.
func IsOrigin(name string) bool { return name == PBXItself || strings.HasPrefix(name, TrunkOrigins) }

// OriginWords names an origin in a sentence: "the PBX itself", "trunk carrier".
func OriginWords(name string) string {
	if trunk, ok := strings.CutPrefix(name, TrunkOrigins); ok {
		return "trunk " + trunk
	}
	return "the PBX itself"
}

// isOrigin is IsOrigin on bytes, for the hot path.
func isOrigin(name []byte) bool {
	return string(name) == PBXItself || bytes.HasPrefix(name, []byte(TrunkOrigins))
}
