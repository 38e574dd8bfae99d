package firsthour

import (
	"errors"
	"fmt"
	"io/fs"
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

// drivers are the channel drivers that register at carriers: their file, and what one of its
// sections registers.
var drivers = []struct {
	file   string
	trunks func(*conffile.LoadedSection) []Trunk
}{
	{"pjsip.conf", registration},
	{"sip.conf", func(s *conffile.LoadedSection) []Trunk { return registerLines(s, "SIP") }},
	{"iax.conf", func(s *conffile.LoadedSection) []Trunk { return registerLines(s, "IAX2") }},
}

// ReadTrunks finds in Asterisk's own configuration where it registers at carriers. The error
// says which files could not be read. Some of them may be missing, but not all.
func ReadTrunks(folder string) (list []Trunk, err error) {
	var failed []error
	found := false
	for _, d := range drivers {
		conf, err := conffile.Load(folder, d.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		found = true
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, s := range conf.Sections {
			list = append(list, d.trunks(s)...)
		}
	}
	if !found {
		return nil, fmt.Errorf("%s has neither pjsip.conf nor sip.conf nor iax.conf: is asterisk.config_dir right?", folder)
	}
	slices.SortFunc(list, func(a, b Trunk) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Trunk) bool { return a.Name == b.Name }), errors.Join(failed...)
}

// registration is what a section of pjsip.conf registers.
func registration(s *conffile.LoadedSection) []Trunk {
	if s.Template || s.Value("type") != "registration" {
		return nil
	}
	return []Trunk{{Name: s.Name, At: host(s.Value("server_uri")), Close: "pjsip send unregister " + s.Name}}
}

// registerLines is what a section of sip.conf or iax.conf registers.
func registerLines(s *conffile.LoadedSection, technology string) (list []Trunk) {
	for _, v := range s.Variables {
		if at := host(v.Value); s.Name == "general" && v.Name == "register" && at != "" {
			list = append(list, Trunk{Name: fmt.Sprintf("%s registration at %s", technology, at), At: at})
		}
	}
	return list
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
