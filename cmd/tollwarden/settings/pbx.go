package settings

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/config"
)

// methods are the ways to change a password, by their names in the configuration.
var methods = map[string]pbx.Method{
	"auto": pbx.Auto, "pjsip-file": pbx.PJSIPFile, "pjsip-realtime": pbx.PJSIPRealtime,
	"chan-sip": pbx.ChanSIPFile, "iax2": pbx.IAX2File, "freepbx": pbx.FreePBX, "exec": pbx.Exec,
}

// PBX is the configuration as package pbx takes it.
func PBX(cfg *config.Config) (pbx.Options, error) {
	r := cfg.Rotate
	o := pbx.Options{
		Method: methods[r.Method], ConfigDir: cfg.Asterisk.ConfigDir, RealtimeFamily: r.Realtime, DirectEdit: r.DirectEdit,
		SecretLength: r.Length, Generated: cfg.Asterisk.Generated, Database: Database(cfg),
		Hook: pbx.Hook{Command: r.Exec, Timeout: r.ExecWithin},
	}
	var err error
	if o.Vault, err = vault(cfg); err != nil {
		return o, err
	}
	return o, o.Validate()
}

// RotateHook is the program or the socket of the hook that changes passwords, or "".
func RotateHook(cfg *config.Config) string {
	if r := cfg.Rotate; len(r.Exec) > 0 && (r.Method == "exec" || r.Method == "auto") {
		return r.Exec[0]
	}
	return ""
}

// Database is the part of the configuration about a database, as package mariadb takes it.
func Database(cfg *config.Config) mariadb.Options {
	return mariadb.Options{Socket: cfg.Database.Socket, User: cfg.Database.User, Name: cfg.Database.Name}
}

// vault is where new passwords are kept.
func vault(cfg *config.Config) (pbx.Vault, error) {
	if r := cfg.Rotate; r.Recipient != "" {
		return pbx.NewAgeVault(r.Store, r.Recipient)
	}
	return pbx.NewFileVault(cfg.Rotate.Store), nil
}

// Dialer connects to Asterisk's manager interface. It asks for no events.
func Dialer(cfg *config.Config, log zerolog.Logger) (*ami.Dialer, error) {
	d := &ami.Dialer{Address: cfg.Asterisk.Address, Username: cfg.Asterisk.Username, Secret: string(cfg.Asterisk.Secret), Log: log}
	if !cfg.Asterisk.TLS {
		return d, nil
	}
	d.TLS = &tls.Config{ServerName: cfg.Asterisk.TLSName, MinVersion: tls.VersionTLS12}
	if cfg.Asterisk.TLSCA == "" {
		return d, nil
	}
	var err error
	d.TLS.RootCAs, err = certificates("asterisk.tls_ca", cfg.Asterisk.TLSCA)
	return d, err
}

// certificates reads the file that a key of the configuration names.
func certificates(key, path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM form", key, path)
	}
	return pool, nil
}
