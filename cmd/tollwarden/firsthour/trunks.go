package firsthour

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// Trunk is a line to a carrier that Asterisk registers or is configured for.
type Trunk struct {
	Name  string `json:"name"`
	At    string `json:"at,omitempty"`    // the carrier's host
	Close string `json:"close,omitempty"` // a command of Asterisk's that takes it down
}

// ReadTrunks finds in Asterisk's own configuration where it registers at carriers. It says
// what it could not read.
func ReadTrunks(folder string) (list []Trunk, err error) {
	pjsip, err := conffile.Load(folder, "pjsip.conf")
	if err == nil {
		for _, s := range pjsip.Sections {
			if !s.Template && last(s, "type") == "registration" {
				list = append(list, Trunk{Name: s.Name, At: host(last(s, "server_uri")), Close: "pjsip send unregister " + s.Name})
			}
		}
	}
	for _, driver := range []struct{ file, technology string }{{"sip.conf", "SIP"}, {"iax.conf", "IAX2"}} {
		conf, other := conffile.Load(folder, driver.file)
		if other != nil {
			continue
		}
		err = nil
		for _, s := range conf.Sections {
			for _, v := range s.Variables {
				if at := host(v.Value); s.Name == "general" && v.Name == "register" && at != "" {
					list = append(list, Trunk{Name: fmt.Sprintf("%s registration at %s", driver.technology, at), At: at})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Trunk) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Trunk) bool { return a.Name == b.Name }), err
}

// last is the value of a variable; the last one counts.
func last(s *conffile.LoadedSection, name string) (value string) {
	for _, v := range s.Variables {
		if v.Name == name {
			value = v.Value
		}
	}
	return value
}

// host is the host in a SIP URI or in a line of register, without the login before it.
func host(value string) string {
	value = value[strings.LastIndexByte(value, '@')+1:]
	for _, scheme := range []string{"sips:", "sip:"} {
		value = strings.TrimPrefix(value, scheme)
	}
	if end := strings.IndexAny(value, ";/?>~"); end >= 0 {
		value = value[:end]
	}
	return strings.TrimPrefix(strings.TrimSpace(value), "//")
}
