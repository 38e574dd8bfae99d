package main

import (
	"slices"

	"github.com/tollwarden/tollwarden/ami/peer"
	"github.com/tollwarden/tollwarden/config"
)

// methods are the configuration's words for the ways to rotate.
var methods = map[string]peer.Method{
	"auto": peer.Auto, "pjsip-file": peer.PJSIPFile, "pjsip-realtime": peer.PJSIPRealtime,
	"chan-sip": peer.ChanSIPFile, "exec": peer.Exec,
}

// peerOptions says in the peer manager's words what the configuration decided.
func peerOptions(cfg *config.Config) (peer.Options, error) {
	r := cfg.Rotate
	o := peer.Options{
		Method: methods[r.Method], ConfigDir: cfg.Asterisk.ConfigDir, RealtimeFamily: r.Realtime, DirectEdit: r.DirectEdit,
		SecretLength: r.Length,
		Hook:         peer.Hook{Command: r.Exec, Timeout: r.ExecWithin},
	}
	var err error
	if o.Vault, err = vaultOf(cfg); err != nil {
		return o, err
	}
	return o, o.Validate()
}

// vaultOf is where new secrets are kept.
func vaultOf(cfg *config.Config) (peer.Vault, error) {
	if r := cfg.Rotate; r.Recipient != "" {
		return peer.NewAgeVault(r.Store, r.Recipient)
	}
	return peer.NewFileVault(cfg.Rotate.Store), nil
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
