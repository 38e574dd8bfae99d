package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// layout is where the files of an installation are. It is read from the
// configuration's text alone, because on a new host what it names may be missing.
type layout struct {
	config string // its own path

	Data     string `toml:"data"`
	Socket   string `toml:"socket"`
	Asterisk struct {
		Address    string `toml:"address"`
		Username   string `toml:"username"`
		Secret     string `toml:"secret"`
		SecretFile string `toml:"secret_file"`
		TLSCA      string `toml:"tls_ca"`
		ConfigDir  string `toml:"config_dir"`
		Log        string `toml:"log"`
	} `toml:"asterisk"`
	Database struct {
		Socket string `toml:"socket"`
	} `toml:"database"`
	Firewall struct {
		Allow []string `toml:"allow"`
	} `toml:"firewall"`
	Rotate struct {
		Store     string   `toml:"store"`
		Recipient string   `toml:"recipient"`
		Exec      []string `toml:"exec"`
	} `toml:"rotate"`
	Notify struct {
		Webhook string `toml:"webhook"`
		Syslog  string `toml:"syslog"`
		Mail    struct {
			Password     string `toml:"password"`
			PasswordFile string `toml:"password_file"`
			CA           string `toml:"ca"`
		} `toml:"mail"`
	} `toml:"notify"`
	Exec struct {
		Command []string `toml:"command"`
	} `toml:"exec"`
	Health struct {
		Listen string `toml:"listen"`
	} `toml:"health"`
}

// readLayout reads a configuration's text; path is where it is or will be.
func readLayout(path string, text []byte) (l layout, err error) {
	l.config = path
	l.Data, l.Socket, l.Asterisk.ConfigDir = "/var/lib/tollwarden", "/run/tollwarden.sock", "/etc/asterisk"
	if _, err := toml.Decode(string(text), &l); err != nil {
		return l, fmt.Errorf("configuration %s: %w", path, err)
	}
	if l.Rotate.Store == "" {
		l.Rotate.Store = filepath.Join(l.Data, "secrets")
	}
	if !filepath.IsAbs(l.Data) {
		return l, fmt.Errorf("configuration %s: data = %q: want an absolute path", path, l.Data)
	}
	return l, nil
}

// place is where the file with a role belongs; "" if the configuration names none.
func (l *layout) place(role string) string {
	switch role {
	case roleConfig:
		return l.config
	case roleLedger:
		return filepath.Join(l.Data, "ledger.db")
	case roleAllow:
		return filepath.Join(l.Data, "allow")
	case roleNames:
		return filepath.Join(l.Data, "allow-names.json")
	case roleRates:
		return filepath.Join(l.Data, "rates.csv")
	case roleFingerprints:
		return filepath.Join(l.Data, "fingerprints.key")
	case roleAMISecret:
		return l.Asterisk.SecretFile
	case roleMailPassword:
		return l.Notify.Mail.PasswordFile
	case rolePasswords:
		return l.Rotate.Store
	}
	return filepath.Join(l.Rotate.Store, filepath.Base(role)) // known has checked it
}

// source is a file that goes into a backup.
type source struct{ role, path string }

// state lists what there is besides the configuration and the ledger, without and
// with secrets.
func (l *layout) state(secrets bool) (list []source, err error) {
	roles := []string{roleAllow, roleNames, roleRates, roleFingerprints}
	if secrets {
		roles = append(roles, roleAMISecret, roleMailPassword)
		if stored, err := os.ReadDir(l.Rotate.Store); err == nil { // encrypted: a folder
			for _, e := range stored {
				if e.Type().IsRegular() {
					roles = append(roles, rolePasswords+"/"+e.Name())
				}
			}
		} else {
			roles = append(roles, rolePasswords)
		}
	}
	for _, role := range roles {
		path := l.place(role)
		if path == "" {
			continue
		}
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, source{role, path})
	}
	return list, nil
}

// inlineSecrets names the keys whose secrets stand in the configuration itself.
func (l *layout) inlineSecrets() (keys []string) {
	for _, s := range []struct{ key, value string }{
		{"asterisk.secret", l.Asterisk.Secret}, {"notify.mail.password", l.Notify.Mail.Password}, {"notify.webhook", l.Notify.Webhook},
	} {
		if s.value != "" {
			keys = append(keys, s.key)
		}
	}
	return keys
}
