package settings

import (
	"reflect"
	"strings"
	"unicode"

	"github.com/tollwarden/tollwarden/config"
)

// NeedRestart lists the keys that differ between two configurations and that a
// reload cannot change, as the file writes them.
func NeedRestart(was, is *config.Config) []string {
	return differing("", reflect.ValueOf(fixedPart(*was)), reflect.ValueOf(fixedPart(*is)))
}

// fixedPart is the configuration without what a reload can change. What is not
// named here needs a restart, new keys included.
func fixedPart(c config.Config) config.Config {
	c.Mode, c.Thresholds, c.Playbooks = "", nil, nil
	c.Bans, c.Restrict, c.Calls = config.Bans{}, config.Restrict{}, config.Calls{}
	c.Slow = config.Slow{}
	c.BreakIn = config.BreakIn{Known: c.BreakIn.Known} // the ledger keeps places that long, too
	c.Notify, c.Exec = config.Notify{}, config.Exec{}
	c.Firewall.Allow, c.Firewall.SIPPorts, c.Firewall.TCPPorts = nil, nil, nil
	c.Health.Canary, c.Health.Firewall = 0, 0
	c.Warnings = nil // they change nothing
	return c
}

func differing(prefix string, a, b reflect.Value) (keys []string) {
	for i := range a.NumField() {
		name := prefix + snakeCase(a.Type().Field(i).Name)
		switch x, y := a.Field(i), b.Field(i); {
		case reflect.DeepEqual(x.Interface(), y.Interface()):
		case x.Kind() == reflect.Struct:
			keys = append(keys, differing(name+".", x, y)...)
		default:
			keys = append(keys, name)
		}
	}
	return keys
}

// snakeCase is the key of a field: TLSName is tls_name.
func snakeCase(name string) string {
	var b strings.Builder
	runes := []rune(strings.Replace(name, "TLS", "Tls", 1))
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
