package backup

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// format is the version of the archive's layout.
const format = 1

// manifestName is the archive's first entry.
const manifestName = "manifest.json"

// Roles of files. What is stored belongs to a role and not to a path, since paths
// may differ on the new host.
const (
	roleConfig       = "config"       // the configuration
	roleLedger       = "ledger"       // bans, offences, incidents, orders, places
	roleAllow        = "allow"        // the allow list that commands change
	roleNames        = "allow-names"  // what its host names led to
	roleRates        = "rates"        // the carrier's
	roleFingerprints = "fingerprints" // the key by which changed passwords are recognised
	roleAMISecret    = "ami-secret"
	roleMailPassword = "mail-password"
	rolePasswords    = "passwords" // those that rotations set; "passwords/NAME" in a folder
)

// Manifest describes a backup.
type Manifest struct {
	Format    int          `json:"format"`
	Version   string       `json:"version"` // of the program
	Made      time.Time    `json:"made"`
	Host      string       `json:"host"`
	Addresses []netip.Addr `json:"addresses"` // of the host
	Schema    int          `json:"schema"`    // of the ledger
	Secrets   bool         `json:"secrets"`   // the secret files are in it
	Files     []File       `json:"files"`
}

// File is one file of a backup.
type File struct {
	Role     string    `json:"role"`
	Path     string    `json:"path"` // where it was
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"`
	Modified time.Time `json:"modified"`
}

// ErrNewer reports a backup that a newer version of Tollwarden made.
var ErrNewer = errors.New("the backup is newer than this program")

// check refuses a manifest that this program must not follow.
func (m *Manifest) check() error {
	if m.Format > format {
		return fmt.Errorf("%w: tollwarden %s made it; install that version or a newer one", ErrNewer, m.Version)
	}
	if m.Format < 1 {
		return errNoBackup
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !known(f.Role) || seen[f.Role] || f.Size < 0 {
			return fmt.Errorf("its list of files is damaged: %q", f.Role)
		}
		seen[f.Role] = true
	}
	if !seen[roleConfig] || !seen[roleLedger] {
		return errors.New("it has no configuration or no records")
	}
	return nil
}

func known(role string) bool {
	switch role {
	case roleConfig, roleLedger, roleAllow, roleNames, roleRates, roleFingerprints, roleAMISecret, roleMailPassword, rolePasswords:
		return true
	}
	name, found := strings.CutPrefix(role, rolePasswords+"/")
	return found && filepath.IsLocal(name) && name == filepath.Base(name)
}

// isPassword says whether a role is that of passwords that rotations set.
func isPassword(role string) bool {
	return role == rolePasswords || strings.HasPrefix(role, rolePasswords+"/")
}

// find is the file with a role, or nil.
func (m *Manifest) find(role string) *File {
	for i := range m.Files {
		if m.Files[i].Role == role {
			return &m.Files[i]
		}
	}
	return nil
}
