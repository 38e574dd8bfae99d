package daemon

import (
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/binds"
)

// portsFile keeps what was learned of Asterisk's ports, so that a restart closes no
// fewer, even while Asterisk is down. What cannot be written is tried again with the next
// answer.
type portsFile = stateFile[binds.Memory]

// openPortsFile reads what the previous run left. A file that cannot be read prevents no
// start.
func openPortsFile(data string, log zerolog.Logger) *portsFile {
	f, err := openStateFile[binds.Memory](filepath.Join(data, "ports.json"))
	if err != nil {
		log.Error().Err(err).Msg("could not read which ports Asterisk had: continuing without")
	}
	return &f
}
