package main

import (
	"slices"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
)

// methods are the ways to rotate, by their names in the configuration.
var methods = map[string]pbx.Method{
	"auto": pbx.Auto, "pjsip-file": pbx.PJSIPFile, "pjsip-realtime": pbx.PJSIPRealtime,
	"chan-sip": pbx.ChanSIPFile, "exec": pbx.Exec,
}

// pbxOptions gives package pbx what the configuration says.
func pbxOptions(cfg *config.Config) (pbx.Options, error) {
	r := cfg.Rotate
	o := pbx.Options{
		Method: methods[r.Method], ConfigDir: cfg.Asterisk.ConfigDir, RealtimeFamily: r.Realtime, DirectEdit: r.DirectEdit,
		SecretLength: r.Length,
		Hook:         pbx.Hook{Command: r.Exec, Timeout: r.ExecWithin},
	}
	var err error
	if o.Vault, err = vaultOf(cfg); err != nil {
		return o, err
	}
	return o, o.Validate()
}

// vaultOf is where new secrets are kept.
func vaultOf(cfg *config.Config) (pbx.Vault, error) {
	if r := cfg.Rotate; r.Recipient != "" {
		return pbx.NewAgeVault(r.Store, r.Recipient)
	}
	return pbx.NewFileVault(cfg.Rotate.Store), nil
}

// stepsInUse are the steps that some threshold's playbook holds, in the
// documentation's order.
func stepsInUse(cfg *config.Config) []config.Step {
	var used []config.Step
	for _, step := range config.Steps {
		inUse := slices.ContainsFunc(cfg.Thresholds, func(t config.Threshold) bool {
			return slices.ContainsFunc(cfg.Playbooks, func(b config.Playbook) bool {
				return b.Name == t.Playbook && slices.Contains(b.Steps, step)
			})
		})
		if inUse {
			used = append(used, step)
		}
	}
	return used
}
