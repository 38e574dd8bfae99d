package setup

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
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

// fullLog is FreePBX's log of Asterisk, with NOTICE lines.
var fullLog = "/var/log/asterisk/full"

// detected is what FreePBX's files and settings add to the configuration. Without the
// database, the files alone are read.
func (s *Setup) detected(ctx context.Context) string {
	if !isFreePBX(s.Asterisk) {
		return ""
	}
	var settings []mariadb.Setting
	admin, err := mariadb.Administer(ctx, mariadb.Options{Socket: s.Socket})
	if err == nil {
		defer admin.Close()
		settings, err = admin.Settings(ctx)
	}
	if err != nil {
		fmt.Fprintf(s.Out, "Some of FreePBX's settings could not be read, such as the networks that its firewall trusts: %v\n\n", err)
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return detect(s.Asterisk, settings, machineTimezone()).text(takesMail(), host)
}

// takesMail says whether a mail server is on this machine.
func takesMail() bool {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:25", time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

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
