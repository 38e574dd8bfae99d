package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// managerConf is what setup needs to know about manager.conf.
type managerConf struct {
	path    string
	enabled bool
	address netip.AddrPort // on this machine, so that our connections come from there too
	exists  bool           // a section [tollwarden]
	folder  bool           // it includes manager.d/*.conf
	custom  bool           // it includes manager_custom.conf, which is there
	direct  bool           // the section is in manager.conf itself
}

// readManager reads manager.conf and what it includes.
func readManager(path string) (managerConf, error) {
	m := managerConf{path: path}
	conf, err := conffile.Load(filepath.Dir(path), filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("no Asterisk found here: %w (--asterisk names its configuration folder)", err)
	}
	if err != nil {
		return m, fmt.Errorf("read Asterisk's manager.conf: %w", err)
	}
	m.enabled = conffile.True(conf.Value("general", "enabled"))
	m.exists = conf.Has(managerUser)
	m.folder = slices.ContainsFunc(conf.Includes, func(pattern string) bool {
		return strings.HasSuffix(pattern, "manager.d/*.conf") || strings.HasSuffix(pattern, "manager.d/tollwarden.conf")
	})
	m.custom = exists(filepath.Join(filepath.Dir(path), customManager)) && slices.ContainsFunc(conf.Includes, func(pattern string) bool {
		return filepath.Base(pattern) == customManager
	})
	if text, err := os.ReadFile(path); err == nil {
		_, cut := moved(text, managerUser)
		m.direct = len(cut) > 0
	}
	host, port := netip.MustParseAddr("127.0.0.1"), uint64(5038)
	if p, err := strconv.ParseUint(conf.Value("general", "port"), 10, 16); err == nil {
		port = p
	}
	if a, err := netip.ParseAddr(strings.Trim(conf.Value("general", "bindaddr"), "[]")); err == nil && !a.IsUnspecified() {
		host = a
	}
	m.address = netip.AddrPortFrom(host, uint16(port))
	return m, nil
}

// loopback is the address that the manager interface is bound to when setup turns it on.
func (m managerConf) loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// includes says whether a file of Asterisk's includes another, by its name.
func includes(etc, file, other string) bool {
	return slices.ContainsFunc(load(etc, file).Includes, func(pattern string) bool { return filepath.Base(pattern) == other })
}
