package setup

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// isFreePBX says whether FreePBX or Issabel generates the files of a folder: both leave
// manager_custom.conf to a person, and mark what they generate.
func isFreePBX(etc string) bool {
	for _, name := range []string{"pjsip.auth.conf", "pjsip_additional.conf", "sip_additional.conf"} {
		if text, err := os.ReadFile(filepath.Join(etc, name)); err == nil && strings.Contains(strings.ToLower(string(text)), "not edit this file as it is auto-generated") {
			return true
		}
	}
	return false
}

// customManager is the file that FreePBX's manager.conf includes and that a change of the
// AMI password in its settings leaves alone: in manager.conf itself, that rewrites the
// password of every section.
const customManager = "manager_custom.conf"

// usesChanSIP says whether chan_sip has accounts. FreePBX writes sip.conf in any case.
func usesChanSIP(etc string) bool {
	if !exists(filepath.Join(etc, "sip.conf")) {
		return false
	}
	modules, err := conffile.Load(etc, "modules.conf")
	if err == nil {
		for _, s := range modules.Sections {
			for _, v := range s.Variables {
				if v.Name == "noload" && strings.TrimSuffix(v.Value, ".so") == "chan_sip" {
					return false
				}
			}
		}
	}
	if !isFreePBX(etc) {
		return true
	}
	peers, err := conffile.Load(etc, "sip_additional.conf")
	return err == nil && len(peers.Sections) > 0
}

// moved is the text of manager.conf without a section, and the section, which goes to
// customManager. It does not look at included files.
func moved(text []byte, section string) (without, cut []byte) {
	var from, to int
	at, inside := 0, false
	for line := range strings.Lines(string(text)) {
		parsed := conffile.Parse([]byte(line))
		if len(parsed) == 1 && parsed[0].Kind == conffile.Header {
			if inside = parsed[0].Name == section && to == 0; inside {
				from = at
			}
		}
		at += len(line)
		if inside {
			to = at
		}
	}
	if to == 0 {
		return text, nil
	}
	return append(append([]byte{}, text[:from]...), text[to:]...), text[from:to]
}
