package amitest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// action is one entry in Asterisk's table of manager actions: its name and synopsis as in
// ListCommands, the write classes, one of which is required ("" for none), and its
// implementation, which runs with the PBX's lock held.
type action struct {
	name     string
	classes  string
	synopsis string
	run      func(p *PBX, s *session, r request, a *reply)
}

// actions holds all actions except Login and Logoff, by lower-case name.
var actions = make(map[string]action)

func init() {
	for _, a := range []action{
		{"Challenge", "", "Generate Challenge for MD5 Auth.", doChallenge},
		{"Command", "command", "Execute Asterisk CLI Command.", doCommand},
		{"CoreSettings", "system,reporting", "Show PBX core settings (version etc).", doCoreSettings},
		{"CoreShowChannels", "system,reporting", "List currently active channels.", doCoreShowChannels},
		{"CoreStatus", "system,reporting", "Show PBX core status variables.", doCoreStatus},
		{"CreateConfig", "config", "Creates an empty file in the configuration directory.", doCreateConfig},
		{"DBDel", "system", "Delete DB entry.", doDBDel},
		{"DBDelTree", "system", "Delete DB Tree.", doDBDelTree},
		{"DBGet", "system,reporting", "Get DB Entry.", doDBGet},
		{"DBGetTree", "system,reporting", "Get DB entries, optionally at a particular family/key", doDBGetTree},
		{"DBPut", "system", "Put DB entry.", doDBPut},
		{"DialplanExtensionAdd", "system", "Add an extension to the dialplan", doDialplanExtensionAdd},
		{"Events", "", "Control Event Flow.", doEvents},
		{"Filter", "system", "Dynamically add filters for the current manager session.", doNothing},
		{"GetConfig", "system,config", "Retrieve configuration.", doGetConfig},
		{"Getvar", "call,reporting", "Gets a channel variable or function value.", doGetvar},
		{"Hangup", "system,call", "Hangup channel.", doHangup},
		{"ListCommands", "", "List available manager commands.", doListCommands},
		{"Ping", "", "Keepalive command.", doPing},
		{"PJSIPShowAuths", "system", "Show PJSIP Auths", doShowAuths},
		{"PJSIPShowContacts", "system", "Lists PJSIP Contacts.", doShowContacts},
		{"PJSIPShowEndpoint", "system", "Detail listing of an endpoint and its objects.", doShowEndpoint},
		{"PJSIPShowEndpoints", "system", "Lists PJSIP endpoints.", doShowEndpoints},
		{"Reload", "system,config", "Send a reload event.", doReload},
		{"ShowDialPlan", "config,reporting", "Show dialplan contexts and extensions", doShowDialPlan},
		{"SIPpeers", "system,reporting", "List SIP peers (text format).", doSIPPeers},
		{"SIPshowpeer", "system,reporting", "show SIP peer (text format).", doSIPShowPeer},
		{"SorceryMemoryCacheExpireObject", "system", "Expire (remove) an object from a sorcery memory cache.", doNothing},
		{"UpdateConfig", "config", "Update basic configuration.", doUpdateConfig},
	} {
		actions[strings.ToLower(a.name)] = a
	}
}

// permits reports whether a user may run an action.
func (a action) permits(u *User) bool {
	return a.classes == "" || granted(u.Write)&parseClasses(a.classes) != 0
}

// run answers one action and returns whether the session continues.
func (p *PBX) run(s *session, r request) bool {
	name := strings.ToLower(r.get("Action"))
	switch name {
	case "login":
		return p.login(s, r)
	case "logoff":
		s.send(r.reply().head("Goodbye").fields(ami.Field{Name: "Message", Value: "Thanks for all the fish."}).end().String())
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := r.reply()
	known, found := actions[name]
	switch {
	case name == "":
		p.requestBadFormat(s, r)
		a.refuse("Missing action in request")
	case s.user == nil && name != "challenge":
		p.requestNotAllowed(s, r)
		a.refuse("Permission denied")
	case !found:
		p.requestBadFormat(s, r)
		a.refuse("Invalid/unknown command: %s. Use Action: ListCommands to show available commands.", r.get("Action"))
	case s.user != nil && !known.permits(s.user):
		p.requestNotAllowed(s, r)
		a.refuse("Permission denied")
	default:
		if p.options.OnAction != nil && s.user != nil {
			p.options.OnAction(s.user.Name, r.action())
		}
		known.run(p, s, r, a)
	}
	s.send(a.String())
	return true
}

// action returns a request as the client's Action.
func (r request) action() ami.Action {
	a := ami.Action{Name: r.get("Action")}
	for _, f := range r.fields {
		if !strings.EqualFold(f.Name, "Action") && !strings.EqualFold(f.Name, "ActionID") {
			a.Fields = append(a.Fields, f)
		}
	}
	return a
}

func doPing(_ *PBX, _ *session, _ request, a *reply) {
	now := time.Now()
	a.ok(ami.Field{Name: "Ping", Value: "Pong"},
		ami.Field{Name: "Timestamp", Value: fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000)})
}

func doNothing(_ *PBX, _ *session, _ request, a *reply) { a.success("Success") }

func doEvents(_ *PBX, s *session, r request, a *reply) {
	mask := r.get("EventMask")
	if mask == "" {
		a.refuse("Invalid event mask")
		return
	}
	s.mask = granted(s.user.Read) & parseClasses(mask)
	state := "On"
	if parseClasses(mask) == 0 {
		state = "Off"
	}
	a.ok(ami.Field{Name: "Events", Value: state})
}

func doCoreSettings(p *PBX, _ *session, _ request, a *reply) {
	_, version, _ := strings.Cut(p.options.Banner, "/")
	a.ok(
		ami.Field{Name: "AMIversion", Value: version},
		ami.Field{Name: "AsteriskVersion", Value: p.options.Version},
		ami.Field{Name: "SystemName", Value: ""},
		ami.Field{Name: "CoreMaxCalls", Value: "0"},
		ami.Field{Name: "CoreMaxLoadAvg", Value: "0.000000"},
		ami.Field{Name: "CoreRunUser", Value: "asterisk"},
		ami.Field{Name: "CoreRunGroup", Value: "asterisk"},
		ami.Field{Name: "CoreMaxFilehandles", Value: "0"},
		ami.Field{Name: "CoreRealTimeEnabled", Value: "Yes"},
		ami.Field{Name: "CoreCDRenabled", Value: "Yes"},
		ami.Field{Name: "CoreHTTPenabled", Value: "No"},
		ami.Field{Name: "SoundsSearchCustomDir", Value: "No"},
	)
}

func doCoreStatus(p *PBX, _ *session, _ request, a *reply) {
	day, hour := p.started.Format(time.DateOnly), p.started.Format(time.TimeOnly)
	a.ok(
		ami.Field{Name: "CoreStartupDate", Value: day},
		ami.Field{Name: "CoreStartupTime", Value: hour},
		ami.Field{Name: "CoreReloadDate", Value: day},
		ami.Field{Name: "CoreReloadTime", Value: hour},
		ami.Field{Name: "CoreCurrentCalls", Value: fmt.Sprint(len(p.channels))},
		ami.Field{Name: "CoreProcessedCalls", Value: fmt.Sprint(p.serial)},
	)
}

// doListCommands lists the actions that the user may run.
func doListCommands(_ *PBX, s *session, _ request, a *reply) {
	a.head("Success")
	for _, name := range slices.Sorted(maps.Keys(actions)) {
		if known := actions[name]; known.permits(s.user) {
			priv := "<none>"
			if known.classes != "" {
				priv = parseClasses(known.classes).String()
			}
			a.fields(ami.Field{Name: known.name, Value: fmt.Sprintf("%s  (Priv: %s)", known.synopsis, priv)})
		}
	}
	a.end()
}

// doReload reloads the config files of one module, or of all.
func doReload(p *PBX, _ *session, r request, a *reply) {
	if !p.reloadModule(r.get("Module")) {
		a.refuse("No such module")
		return
	}
	a.success("Module Reloaded")
}

// dialplanModule loads the dialplan, which forgets what was added to it over AMI.
const dialplanModule = "pbx_config.so"

// moduleFiles maps modules to their config files.
var moduleFiles = map[string]string{
	"res_pjsip.so": pjsipConf, "chan_pjsip.so": "", "chan_sip.so": sipConf, "sip": sipConf, "manager": "", dialplanModule: "",
}

func (p *PBX) reloadModule(module string) bool {
	if module == "" {
		p.reload(pjsipConf)
		p.reload(sipConf)
		clear(p.dialplan)
		return true
	}
	if module == dialplanModule {
		clear(p.dialplan)
	}
	file, found := moduleFiles[module]
	if found && file != "" {
		p.reload(file)
	}
	return found
}

// reload loads a file, unless it is invalid.
func (p *PBX) reload(file string) {
	text, err := p.files.read(file)
	if err != nil {
		delete(p.loaded, file)
		return
	}
	if c, err := parseConfig(text); err == nil {
		p.loaded[file] = c
	}
}

func doGetvar(p *PBX, _ *session, r request, a *reply) {
	variable := r.get("Variable")
	if variable == "" {
		a.refuse("No variable specified")
		return
	}
	value := ""
	if name := r.get("Channel"); name != "" {
		c := p.channel(name)
		if c == nil {
			a.refuse("No such channel")
			return
		}
		value = cmp.Or(c.Vars[variable], value)
	}
	a.ok(ami.Field{Name: "Variable", Value: variable}, ami.Field{Name: "Value", Value: value})
}
