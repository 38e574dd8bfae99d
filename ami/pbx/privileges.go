package pbx

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// StepResync is the daemon's own look at channels and contacts after a login. It
// needs privileges like the steps of playbooks.
const StepResync incident.StepKind = "resync"

// classes are the write classes of which any one allows an action, least
// powerful first. From the registrations in main/manager.c, main/db.c,
// res/res_pjsip, res/res_sorcery_memory_cache.c and channels/chan_sip.c.
var classes = map[string][]string{
	"Command":                        {"command"},
	"CoreShowChannels":               {"reporting", "system"},
	"CoreStatus":                     {"reporting", "system"},
	"DBDel":                          {"system"},
	"DBGetTree":                      {"reporting", "system"},
	"DBPut":                          {"system"},
	"DialplanExtensionAdd":           {"system"},
	"GetConfig":                      {"system", "config"},
	"Getvar":                         {"call", "reporting"},
	"Hangup":                         {"call", "system"},
	"IAXpeerlist":                    {"reporting", "system"},
	"IAXregistry":                    {"reporting", "system"},
	"PJSIPShowAors":                  {"system"},
	"PJSIPShowContacts":              {"system"},
	"PJSIPShowEndpoint":              {"system"},
	"PJSIPShowRegistrationsOutbound": {"system"},
	"PJSIPShowEndpoints":             {"system"},
	"Reload":                         {"system", "config"},
	"SIPpeers":                       {"reporting", "system"},
	"SIPshowpeer":                    {"reporting", "system"},
	"SIPshowregistry":                {"reporting", "system"},
	"ShowDialPlan":                   {"config", "reporting"},
	"SorceryMemoryCacheExpireObject": {"system"},
	"UpdateConfig":                   {"config"},
}

func classesOf(action string) []string {
	if c, ok := classes[action]; ok {
		return c
	}
	return []string{"all"}
}

// Lack is one action that a step needs and the AMI user may not do.
type Lack struct {
	Step    incident.StepKind
	Action  string
	Classes []string // any one of these write classes would allow it
}

// String says what to add.
func (l Lack) String() string {
	return fmt.Sprintf("%s needs %s: add %s to write= of the AMI user", l.Step, l.Action, strings.Join(l.Classes, " or "))
}

// Privileges is what the AMI user of this session may do.
type Privileges struct {
	Classes      []string     // write classes the user is known to have, sorted
	Technologies []Technology // channel drivers whose actions the user may use
	Lacks        []Lack       // by step, then action

	needs map[incident.StepKind][]string // the actions of each step
}

// audit looks at what a person should know before Asterisk is relied on: what the
// AMI user may do, and which settings are risky.
type audit struct {
	asterisk asterisk
	o        Options
}

// Privileges asks Asterisk which actions this session may use and compares them
// with what the steps need. It has no side effect: ListCommands needs no
// privilege and lists exactly the permitted actions. Objects in a
// database need more; it looks for them where the user may.
func (a *audit) Privileges(ctx context.Context) (Privileges, error) {
	listed, err := goami.ListCommands(ctx, a.asterisk.session(), "")
	if err != nil {
		return Privileges{}, fmt.Errorf("list AMI commands: %w", err)
	}
	allowed, granted := map[string]bool{}, map[string]bool{}
	for name := range listed {
		_, priv, found := strings.Cut(listed.Get(name), "(Priv: ")
		if !found {
			continue
		}
		allowed[name] = true
		// An action that is listed and has one class proves that class.
		if c := classList(priv); len(c) == 1 {
			granted[c[0]] = true
		}
	}
	may := func(action string) bool {
		return allowed[action] || slices.ContainsFunc(classesOf(action), func(c string) bool { return granted[c] })
	}
	p := Privileges{Classes: slices.Sorted(maps.Keys(granted)), Technologies: usable(func(action string) bool { return allowed[action] }), needs: map[incident.StepKind][]string{}}
	var stored sorcery
	if slices.Contains(p.Technologies, PJSIP) && may("GetConfig") {
		if stored, err = a.asterisk.stores(ctx); err != nil {
			return Privileges{}, err
		}
	}
	for _, step := range []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepLock, incident.StepRestrict, incident.StepLimitCosts, StepResync, StepPorts} {
		p.needs[step] = a.needs(step, p.Technologies, stored)
		for _, action := range p.needs[step] {
			if !may(action) {
				p.Lacks = append(p.Lacks, Lack{Step: step, Action: action, Classes: classesOf(action)})
			}
		}
	}
	return p, nil
}

// classList reads "system,config,all)": every privilege but <none> ends in all.
func classList(priv string) []string {
	return slices.DeleteFunc(list(strings.TrimSuffix(strings.TrimSpace(priv), ")")), func(c string) bool {
		return c == "all" || c == "<none>"
	})
}

// needs are the actions a step uses with these options, and with what PJSIP
// keeps in databases.
func (a *audit) needs(step incident.StepKind, on []Technology, stored sorcery) []string {
	pj, sip, iax := slices.Contains(on, PJSIP), slices.Contains(on, ChanSIP), slices.Contains(on, IAX2)
	var out []string
	add := func(when bool, actions ...string) {
		if when {
			out = append(out, actions...)
		}
	}
	switch step {
	case incident.StepHangup, incident.StepLimitCosts:
		add(true, "Hangup", "CoreShowChannels")
	case incident.StepRotate:
		hook := a.o.Method == Exec || a.o.Method == Auto && len(a.o.Hook.Command) > 0
		realtime := a.o.Method == PJSIPRealtime || a.o.Method == Auto && (a.o.RealtimeFamily != "" || stored.authFamily != "")
		add(pj, "PJSIPShowEndpoint")
		add(sip, "SIPshowpeer")
		add(!hook, "GetConfig")
		add(!hook && a.o.Method != PJSIPRealtime, "Reload")
		add(!hook && a.o.Method != PJSIPRealtime && !a.o.DirectEdit, "UpdateConfig")
		add(!hook && realtime && a.o.Database.Name == "", "Command")
	case incident.StepLock:
		add(pj, "PJSIPShowEndpoint")
		add(sip, "SIPshowpeer")
		add(true, "GetConfig", "Reload")
		add(!a.o.DirectEdit, "UpdateConfig")
		add(stored.endpointFamily != "" && a.o.Database.Name == "", "Command")
		add(true, HelpActions...)
	case incident.StepRestrict:
		add(pj, "PJSIPShowEndpoint")
		add(sip, "SIPshowpeer")
		add(true, "GetConfig", "Reload")
	case incident.StepRemoveRegistrations:
		add(pj, "PJSIPShowEndpoint", "PJSIPShowContacts", "DBDel")
		add(stored.contactFamily != "", "Command")
		add(sip, "SIPshowpeer", "Command")
		add(iax, "IAXpeerlist", "Command")
	case StepPorts:
		// With Command, the drivers themselves say what they listen on; without,
		// their files do, and those of IAX2 in any case.
		add(true, "CoreStatus", "GetConfig")
		add(stored.transportFamily != "", "Command")
	case StepResync:
		add(true, "CoreShowChannels", "DBGetTree")
		add(pj, "PJSIPShowContacts", "PJSIPShowEndpoints", "PJSIPShowRegistrationsOutbound", "PJSIPShowAors", "GetConfig")
		add(sip, "SIPpeers", "SIPshowpeer", "SIPshowregistry", "GetConfig")
		add(iax, "IAXpeerlist", "GetConfig")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Stanza is a section of manager.conf for a user who can log in from this address
// only.
func Stanza(user, secret string, from netip.Addr, write []string) string {
	from = from.Unmap().WithZone("")
	return strings.Join([]string{
		"[" + user + "]",
		"secret = " + secret,
		"deny = " + everybody,
		"permit = " + netip.PrefixFrom(from, from.BitLen()).String(),
		"read = security,call",
		"write = " + strings.Join(write, ","),
	}, "\n") + "\n"
}

// Write is the smallest set of write classes that allows the steps.
func (p Privileges) Write(steps ...incident.StepKind) []string {
	var actions []string
	for _, s := range steps {
		actions = append(actions, p.needs[s]...)
	}
	var need []string
	// First the classes without an alternative, then the least powerful one.
	for _, choice := range []bool{false, true} {
		for _, a := range actions {
			c := classesOf(a)
			if len(c) > 1 == choice && !slices.ContainsFunc(c, func(one string) bool { return slices.Contains(need, one) }) {
				need = append(need, c[0])
			}
		}
	}
	slices.Sort(need)
	return need
}
