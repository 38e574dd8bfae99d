package pbx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// Method is a way to change a secret.
type Method string

// The ways to change a secret. Auto uses the hook when there is one, otherwise
// the place that holds the account's secret. FreePBX is that of FreePBX and Issabel alone,
// which Auto finds by itself.
const (
	Auto          Method = ""
	PJSIPFile     Method = "pjsip-file"
	PJSIPRealtime Method = "pjsip-realtime"
	ChanSIPFile   Method = "chan_sip"
	IAX2File      Method = "iax2"
	FreePBX       Method = "freepbx"
	Exec          Method = "exec"
)

var methods = []Method{Auto, PJSIPFile, PJSIPRealtime, ChanSIPFile, IAX2File, FreePBX, Exec}

// Options say how a Manager works. The zero value works beside an Asterisk that
// keeps its files in /etc/asterisk, but cannot rotate: that needs a Vault.
type Options struct {
	// Method forces one way to rotate. Auto by default.
	Method Method

	// ConfigDir is Asterisk's config folder as this process sees it
	// (default /etc/asterisk).
	ConfigDir string
	// DirectEdit never lets Asterisk rewrite its files: this process changes the
	// one line itself and renames the new file into place. The AMI user then
	// needs no write class config. By default Asterisk's UpdateConfig writes,
	// and this is the alternative where UpdateConfig is known to do damage.
	DirectEdit bool
	// RealtimeFamily is the extconfig.conf family of PJSIP auth objects. Empty:
	// what sorcery.conf says, or ps_auths.
	RealtimeFamily string

	// Generated are patterns of the names or paths of config files that a program
	// generates which is not known by its marks, in the words of filepath.Match.
	Generated []string
	// Database is that of FreePBX or Issabel, or with a Name also of PJSIP realtime.
	// Without one, realtime is changed through Asterisk's CLI, which takes the write
	// class command.
	Database mariadb.Options

	// SecretLength is how many characters a new secret has, 12 to 80 (default 24).
	SecretLength int
	// Vault keeps a new secret before Asterisk is changed. Rotate refuses to
	// work without one.
	Vault Vault
	// Hook is the operator's command that changes the secret.
	Hook Hook

	// Fingerprints makes the fingerprints of passwords that Live returns.
	Fingerprints orders.SecretKey
	// Outdated, if set, says whether an account must never have a password again. A
	// generated file that has one shows an old backup, and no person's choice.
	Outdated func(account string, password orders.Fingerprint) bool

	// VerifyWithin bounds the wait until Asterisk shows an effect (default 10 s).
	VerifyWithin time.Duration
	// Rounds bounds how often an effect is repeated until nothing is left of
	// what it ends (default 20).
	Rounds int
}

// Validate reports what is wrong with the options and what to do.
func (o Options) Validate() error {
	var errs []error
	if !slices.Contains(methods, o.Method) {
		errs = append(errs, fmt.Errorf("rotation method %q: must be empty, %q, %q, %q, %q or %q",
			o.Method, PJSIPFile, PJSIPRealtime, ChanSIPFile, IAX2File, Exec))
	}
	if o.Method == Exec && len(o.Hook.Command) == 0 {
		errs = append(errs, errors.New("rotation method exec: needs a hook command"))
	}
	if o.RealtimeFamily != "" && checkName(o.RealtimeFamily) != nil {
		errs = append(errs, fmt.Errorf("realtime family %q: only letters, digits, '_' and '-'", o.RealtimeFamily))
	}
	// chan_sip keeps 80 characters of a secret.
	if n := o.withDefaults().SecretLength; n < 12 || n > 80 {
		errs = append(errs, fmt.Errorf("secret length %d: must be 12 to 80", n))
	}
	return errors.Join(errs...)
}

// usualConfigDir is Asterisk's config folder unless it was moved.
const usualConfigDir = "/etc/asterisk"

func (o Options) withDefaults() Options {
	o.ConfigDir = cmp.Or(o.ConfigDir, usualConfigDir)
	o.VerifyWithin = cmp.Or(o.VerifyWithin, 10*time.Second)
	o.Rounds = cmp.Or(o.Rounds, 20)
	o.SecretLength = cmp.Or(o.SecretLength, 24)
	return o
}
