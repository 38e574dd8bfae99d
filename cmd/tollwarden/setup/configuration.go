package setup

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/config/edit"
)

// setting is a key of the configuration; a nil value is a key that is not written.
type setting struct {
	key   string
	value any
}

// localhost is on the allow list in any case.
var localhost = []string{"127.0.0.0/8", "::1/128"}

// configDir is where the answers of a configuration keep its asterisk.config_dir, which
// nobody is asked.
const configDir = "config_dir"

// settingsOf are the keys that follow from answers.
func settingsOf(f *site, a Answers) []setting {
	mode := config.Enforce
	if a.one("mode") == modeWatch {
		mode = config.Observe
	}
	usual := config.Default().Firewall
	server := a.one("mail_server")
	list := []setting{
		{"mode", string(mode)},
		{"asterisk.config_dir", cmp.Or(a.one(configDir), f.etc)},
		{"asterisk.log", textOrNil(f.logPath(a.one("log")))},
		{"firewall.allow", append(slices.Clone(localhost), a["offices"]...)},
		{"firewall.sip_ports", portList(a["sip_ports"], usual.SIPPorts)},
		{"firewall.sip_tcp_ports", portList(a["sip_tcp_ports"], usual.TCPPorts)},
		{"calls.country", textOrNil(a.one("country"))},
		{"calls.outside_line", listOrNil(a["outside_line"])},
		{"calls.hours", listOrNil(a["hours"])},
		{"calls.carriers", listOrNil(a["carriers"])},
		{"notify.webhook", textOrNil(a.one("webhook"))},
	}
	if len(a["mail_to"]) == 0 {
		return append(list, setting{"notify.mail.server", nil}, setting{"notify.mail.security", nil}, setting{"notify.mail.from", nil}, setting{"notify.mail.to", nil})
	}
	var security any
	if strings.HasPrefix(server, "127.") || strings.HasPrefix(server, "localhost:") || strings.HasPrefix(server, "[::1]") {
		security = "none"
	}
	return append(list, setting{"notify.mail.server", server}, setting{"notify.mail.security", security}, setting{"notify.mail.from", a.one("mail_from")}, setting{"notify.mail.to", a["mail_to"]})
}

func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func listOrNil(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// portList is a list of ports, nil if it is the default.
func portList(words []string, usual []uint16) any {
	var list []int
	same := len(words) == len(usual)
	for i, w := range words {
		n, _ := strconv.Atoi(w) // checked as an answer
		list = append(list, n)
		same = same && i < len(usual) && n == int(usual[i])
	}
	if same || len(list) == 0 {
		return nil
	}
	return list
}

// answersOf reads a configuration back, for a second run. data is its text.
func answersOf(cfg *config.Config, data []byte) Answers {
	a := Answers{"mode": {modeProtect}, "log": {logNone}, configDir: {cfg.Asterisk.ConfigDir}}
	if cfg.Mode == config.Observe {
		a["mode"] = []string{modeWatch}
	}
	if log := cfg.Asterisk.Log; strings.HasPrefix(log, "/proc/") && !exists(log) {
		delete(a, "log") // of a container that has started anew: to be found again
	} else if log != "" {
		a["log"] = []string{log}
	}
	for _, item := range cfg.Firewall.Allow {
		if word := allowText(item); !slices.Contains(localhost, word) {
			a["offices"] = append(a["offices"], word)
		}
	}
	a["sip_ports"], a["sip_tcp_ports"] = numbers(cfg.Firewall.SIPPorts, nil), numbers(cfg.Firewall.TCPPorts, nil)
	a["country"] = words(cfg.Calls.Country)
	a["outside_line"], a["carriers"] = cfg.Calls.OutsideLine, cfg.Calls.Carriers
	var raw struct{ Calls struct{ Hours []string } }
	if _, err := toml.Decode(string(data), &raw); err == nil {
		a["hours"] = raw.Calls.Hours
	}
	a["webhook"], a["mail_to"] = words(cfg.Notify.Webhook), cfg.Notify.Mail.To
	a["mail_server"], a["mail_from"] = words(cfg.Notify.Mail.Server), words(cfg.Notify.Mail.From)
	return a
}

func allowText(item config.AllowItem) string {
	switch {
	case item.Name != "":
		return item.Name
	case item.Prefix.IsSingleIP():
		return item.Prefix.Addr().String()
	}
	return item.Prefix.String()
}

// checkKey says what the configuration has against a value of a key.
func checkKey(key string, value any) error {
	text, err := edit.Set([]byte("[asterisk]\nusername = \"x\"\nsecret = \"x\"\n"), key, value)
	if err != nil {
		return err
	}
	_, err = config.Parse("", text, config.Env{Getenv: func(string) string { return "" }})
	var problem config.Problem
	if errors.As(err, &problem) {
		return errors.New(problem.Text)
	}
	return err
}

// newConfiguration is the text of a first configuration.
func (s *Setup) newConfiguration(f *site, a Answers) ([]byte, error) {
	database := ""
	if f.freePBX && !packaged() {
		database = "\n[database]\nuser = \"root\"   # without the package, the daemon runs as root\n"
	}
	base := "# Written by `tollwarden setup`, which changes it, too, and keeps what you add.\n" +
		"# `tollwarden check --reference` prints every key.\n\nmode = \"observe\"\n\n[asterisk]\n" +
		fmt.Sprintf("address = %q\nusername = %q\nsecret_file = %q\n", f.managerAddress(), managerUser, s.secretFile()) + database
	return apply([]byte(base), nil, settingsOf(f, a))
}

// apply changes the keys of a text that differ between two sets of answers.
func apply(text []byte, before, after []setting) ([]byte, error) {
	for i, now := range after {
		if len(before) > 0 && reflect.DeepEqual(before[i].value, now.value) || len(before) == 0 && now.value == nil {
			continue
		}
		var err error
		if now.value == nil {
			text, err = edit.Remove(text, now.key)
		} else {
			text, err = edit.Set(text, now.key, now.value)
		}
		if err != nil {
			return nil, err
		}
	}
	return text, nil
}
