package config

import "fmt"

// file mirrors the TOML. A nil pointer is a key that the file does not have. The
// tag `now` marks an old key and names the new one beside it.
type file struct {
	Mode   *string `toml:"mode"`
	Data   *string `toml:"data"`
	Socket *string `toml:"socket"`

	Asterisk struct {
		Address    *string `toml:"address"`
		Username   *string `toml:"username"`
		Secret     *string `toml:"secret"`
		SecretFile *string `toml:"secret_file"`
		TLS        *bool   `toml:"tls"`
		TLSCA      *string `toml:"tls_ca"`
		TLSName    *string `toml:"tls_name"`
		ConfigDir  *string `toml:"config_dir"`
		Log        *string `toml:"log"`

		LogDateFormat *string   `toml:"log_dateformat"`
		LogTags       *[]string `toml:"log_tags"`

		Generated *[]string `toml:"generated"`
	} `toml:"asterisk"`

	Database struct {
		Socket *string `toml:"socket"`
		User   *string `toml:"user"`
		Name   *string `toml:"name"`
	} `toml:"database"`

	Firewall struct {
		Table    *string   `toml:"table"`
		Allow    *[]string `toml:"allow"`
		Ports    *[]int    `toml:"sip_ports"`
		TCPPorts *[]int    `toml:"sip_tcp_ports"`
		Counters *bool     `toml:"counters"`
	} `toml:"firewall"`

	Bans struct {
		Ladder           *[]string  `toml:"ladder"`
		Scope            *oneOrMore `toml:"scope"`
		Forget           *string    `toml:"forget"`
		Spoofable        *oneOrMore `toml:"spoofable"`
		Claimed          *oneOrMore `toml:"claimed" now:"spoofable"`
		SpoofableForever *bool      `toml:"spoofable_forever"`
	} `toml:"bans"`

	Ledger struct {
		Keep *string `toml:"keep"`
		Size *string `toml:"size"`
	} `toml:"ledger"`

	BreakIn struct {
		Failures *int    `toml:"failures"`
		Within   *string `toml:"within"`
		Known    *string `toml:"known"`
	} `toml:"break_in"`

	Slow struct {
		Within          *string `toml:"within"`
		Accounts        *int    `toml:"accounts"`
		Failures        *int    `toml:"failures"`
		NetworkAccounts *int    `toml:"network_accounts"`
		Addresses       *int    `toml:"addresses"`
		SiteAccounts    *int    `toml:"site_accounts"`
	} `toml:"slow"`

	Rotate struct {
		Method     *string   `toml:"method"`
		Length     *int      `toml:"length"`
		Store      *string   `toml:"store"`
		Recipient  *string   `toml:"recipient"`
		Exec       *[]string `toml:"exec"`
		ExecWithin *string   `toml:"exec_within"`
		Realtime   *string   `toml:"realtime"`
		DirectEdit *bool     `toml:"direct_edit"`
	} `toml:"rotate"`

	Restrict struct {
		Networks       *int    `toml:"networks"`
		TrustSpoofable *bool   `toml:"trust_spoofable"`
		Claimed        *bool   `toml:"claimed" now:"trust_spoofable"`
		Quiet          *string `toml:"quiet"`
		Lived          *string `toml:"lived"`
	} `toml:"restrict"`

	Breaker struct {
		Accounts *int    `toml:"accounts"`
		Within   *string `toml:"within"`
	} `toml:"breaker"`

	Notify fileNotify `toml:"notify"`
	Exec   fileExec   `toml:"exec"`

	Health struct {
		Canary   *string `toml:"canary"`
		Firewall *string `toml:"firewall"`
		Kernel   *string `toml:"kernel" now:"firewall"`
		Listen   *string `toml:"listen"`
	} `toml:"health"`

	Calls fileCalls `toml:"calls"`

	Threshold []fileThreshold `toml:"threshold"`
	Playbook  []filePlaybook  `toml:"playbook"`
}

type fileThreshold struct {
	Name     string         `toml:"name"`
	Per      string         `toml:"per"`
	Signals  map[string]int `toml:"signals"`
	Score    int            `toml:"score"`
	Within   string         `toml:"within"`
	Playbook string         `toml:"playbook"`
	Mode     string         `toml:"mode"`
}

type filePlaybook struct {
	Name  string   `toml:"name"`
	Steps []string `toml:"steps"`
}

// oneOrMore is a list of texts, or a single one: the older form.
type oneOrMore struct {
	texts []string
	wrong string // what the file has instead; "" when it is one of these
}

// UnmarshalTOML reads either form. What is neither is reported by the parser, which
// knows the key.
func (o *oneOrMore) UnmarshalTOML(value any) error {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			o.wrong = fmt.Sprint(v)
		}
		o.texts = append(o.texts, text)
	}
	return nil
}
