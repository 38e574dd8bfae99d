package amitest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

// command is a CLI command: its words and its implementation, which runs with the PBX's
// lock held and returns whether it succeeded.
type command struct {
	words string
	least int // minimum number of arguments
	run   func(p *PBX, args []string) (output string, ok bool)
}

var commands = []command{
	{"core show version", 0, cliVersion},
	{"core show channels concise", 0, cliChannels},
	{"database show", 0, cliDatabaseShow},
	{"database get", 2, cliDatabaseGet},
	{"database put", 3, cliDatabasePut},
	{"database deltree", 1, cliDatabaseDelTree},
	{"database del", 2, cliDatabaseDel},
	{"module reload", 0, cliReload},
	{"pjsip reload", 0, cliPJSIPReload},
	{"pjsip show auths", 0, cliAuths},
	{"pjsip show auth", 1, cliAuth},
	{"pjsip show contacts", 0, cliContacts},
	{"pjsip show transports", 0, cliTransports},
	{"realtime load", 3, cliRealtimeLoad},
	{"realtime update", 5, cliRealtimeUpdate},
	{"realtime destroy", 3, cliRealtimeDestroy},
	{"sip reload", 0, cliSIPReload},
	{"sip unregister", 1, cliUnregister},
	{"sip show settings", 0, cliSettings},
	{"sip show users like", 1, cliUsers},
	{"sip show users", 0, cliUsers},
}

// doCommand runs a CLI command.
func doCommand(p *PBX, _ *session, r request, a *reply) {
	text := r.get("Command")
	if text == "" {
		a.refuse("No command provided")
		return
	}
	output, ok := p.command(text)
	a.head(yes(ok, "Success", "Error")).fields(ami.Field{Name: "Message", Value: "Command output follows"})
	for l := range strings.SplitSeq(strings.TrimSuffix(output, "\n"), "\n") {
		a.fields(ami.Field{Name: "Output", Value: l})
	}
	a.end()
}

func (p *PBX) command(text string) (output string, ok bool) {
	words := strings.Fields(text)
	for _, c := range commands {
		n := len(strings.Fields(c.words))
		if len(words) < n || !strings.EqualFold(strings.Join(words[:n], " "), c.words) {
			continue
		}
		if len(words)-n < c.least {
			return "Usage: " + c.words + " …\n", false
		}
		output, ok := c.run(p, words[n:])
		if !ok {
			output += fmt.Sprintf("Command '%s' failed.\n", text)
		}
		return output, ok
	}
	return fmt.Sprintf("No such command '%s' (type 'core show help %s' for other possible commands)\n", text, text), false
}

func cliVersion(p *PBX, _ []string) (string, bool) {
	return "Asterisk " + p.options.Version + " built by amitest\n", true
}

func cliChannels(p *PBX, _ []string) (output string, ok bool) {
	for _, c := range p.channels {
		output += strings.Join([]string{
			c.Name, c.Context, c.Exten, "1", stateNames[c.State], c.Application, c.Data, c.CallerNum,
			"", "", "3", "0", c.Bridge, c.Uniqueid,
		}, "!") + "\n"
	}
	return output, true
}

func cliDatabaseShow(p *PBX, args []string) (output string, ok bool) {
	args = append(args, "", "")
	keys := p.rows(args[0], args[1])
	for _, k := range keys {
		output += fmt.Sprintf("%-50s: %-25s\n", k, p.database[k])
	}
	return output + fmt.Sprintf("%d results found.\n", len(keys)), true
}

func cliDatabaseGet(p *PBX, args []string) (string, bool) {
	value, found := p.database[dbKey(args[0], args[1])]
	if !found {
		return "Database entry not found.\n", true
	}
	return "Value: " + value + "\n", true
}

func cliDatabasePut(p *PBX, args []string) (string, bool) {
	p.database[dbKey(args[0], args[1])] = args[2]
	return "Updated database successfully\n", true
}

func cliDatabaseDel(p *PBX, args []string) (string, bool) {
	key := dbKey(args[0], args[1])
	if _, found := p.database[key]; !found {
		return "Database entry could not be removed.\n", true
	}
	delete(p.database, key)
	return "Database entry removed.\n", true
}

func cliDatabaseDelTree(p *PBX, args []string) (string, bool) {
	n := p.deleteRows(args[0], strings.Join(args[1:], " "))
	if n == 0 {
		return "Database entries do not exist.\n", true
	}
	return fmt.Sprintf("%d database entries removed.\n", n), true
}

func cliReload(p *PBX, args []string) (string, bool) {
	module := strings.Join(args, " ")
	if !p.reloadModule(module) {
		return fmt.Sprintf("No such module '%s'\n", module), true
	}
	return "Module reloaded\n", true
}

func cliPJSIPReload(p *PBX, _ []string) (string, bool) {
	p.reload(pjsipConf)
	return "Module 'res_pjsip.so' reloaded successfully.\n", true
}

func cliSIPReload(p *PBX, _ []string) (string, bool) {
	p.reload(sipConf)
	return "Reloading SIP\n", true
}

func cliAuths(p *PBX, _ []string) (string, bool) {
	output, n := "\n  I/OAuth:  <AuthId/UserName.............................................................>\n"+strings.Repeat("=", 90)+"\n\n", 0
	for _, e := range p.endpoints() {
		for _, s := range e.auths {
			output += fmt.Sprintf("     Auth:  %s/%s\n", s.name, s.value("username"))
			n++
		}
	}
	if n == 0 {
		return "No objects found.\n\n", true
	}
	return output + fmt.Sprintf("\nObjects found: %d\n\n", n), true
}

func cliAuth(p *PBX, args []string) (string, bool) {
	s := p.object("auth", args[0])
	if s == nil {
		return fmt.Sprintf("Unable to find object %s.\n\n", args[0]), true
	}
	output := fmt.Sprintf("     Auth:  %s/%s\n\n ParameterName  : ParameterValue\n %s\n", s.name, s.value("username"), strings.Repeat("=", 42))
	for _, name := range []string{"auth_type", "md5_cred", "nonce_lifetime", "password", "realm", "username"} {
		output += fmt.Sprintf(" %-14s : %s\n", name, s.value(name))
	}
	return output + "\n", true
}

func cliContacts(p *PBX, _ []string) (string, bool) {
	contacts := p.contactsOf("")
	if len(contacts) == 0 {
		return "No objects found.\n\n", true
	}
	output := "\n"
	for _, c := range contacts {
		_, hash, _ := strings.Cut(c["id"], ";@")
		output += fmt.Sprintf("  Contact:  %s/%s %.10s NonQual         nan\n", c.aor(), c["uri"], hash)
	}
	return output + fmt.Sprintf("\nObjects found: %d\n\n", len(contacts)), true
}

// cliTransports prints the transports of pjsip.conf as res_pjsip does.
func cliTransports(p *PBX, _ []string) (string, bool) {
	output, n := "\nTransport:  <TransportId........>  <Type>  <cos>  <tos>  <BindAddress....................>\n"+strings.Repeat("=", 90)+"\n\n", 0
	for _, s := range p.loaded[pjsipConf] {
		if !s.template && s.value("type") == "transport" {
			output += fmt.Sprintf("Transport:  %-21s  %6s  %5d  %5d  %s\n", s.name, s.value("protocol"), 0, 0, s.value("bind"))
			n++
		}
	}
	if n == 0 {
		return "No objects found.\n\n", true
	}
	return output + fmt.Sprintf("\nObjects found: %d\n\n", n), true
}

// cliSettings prints the first of chan_sip's settings.
func cliSettings(p *PBX, _ []string) (string, bool) {
	bind := "0.0.0.0:5060"
	for _, s := range p.loaded[sipConf] {
		if s.name == "general" && s.value("udpbindaddr") != "" {
			bind = s.value("udpbindaddr")
		}
	}
	return "\n\nGlobal Settings:\n----------------\n  UDP Bindaddress:        " + bind + "\n  TCP SIP Bindaddress:    Disabled\n", true
}

func cliUnregister(p *PBX, args []string) (string, bool) {
	peer := args[0]
	_, registered := p.registration(peer)
	switch {
	case p.peer(peer) == nil:
		return fmt.Sprintf("Peer unknown: '%s'. Not unregistered.\n", peer), true
	case !registered:
		return fmt.Sprintf("Peer %s not registered\n", peer), true
	}
	delete(p.database, dbKey("SIP/Registry", peer))
	p.peerStatus(peer, "Unregistered", ami.Field{Name: "Cause", Value: "Expired"})
	return fmt.Sprintf("Unregistered peer '%s'\n\n", peer), true
}

// cliUsers prints the first 15 characters of secrets, as chan_sip does.
func cliUsers(p *PBX, args []string) (string, bool) {
	const format = "%-25.25s  %-15.15s  %-15.15s  %-15.15s  %-5.5s%-10.10s\n"
	output := fmt.Sprintf(format, "Username", "Secret", "Accountcode", "Def.Context", "ACL", "Forcerport")
	match, err := regexp.CompilePOSIX(strings.Join(args, " "))
	if err != nil {
		return "Usage: sip show users [like <pattern>]\n", false
	}
	for _, s := range p.peers() {
		if s.value("type") != "peer" && match.MatchString(s.name) {
			output += fmt.Sprintf(format, s.name, s.value("secret"), "", s.value("context"), "No", "No")
		}
	}
	return output, true
}
