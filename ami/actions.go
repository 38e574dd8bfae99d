package ami

import (
	"context"
	"fmt"

	goami "github.com/heltonmarx/goami/ami"
)

// Most actions are goami's functions over a Session. The code below and in login.go
// covers what goami does not support:
//
//   - Hangup by pattern: goami.Hangup reads only the first block of the response, not
//     the list of channels that were hung up.
//   - GetConfig and UpdateConfig: goami stores responses and edits in maps, which lose
//     the required order, and does not support Match and Options.
//   - SIPshowregistry: goami waits for events with a different name than Asterisk's
//     and finds no registrations.
//   - IAXregistry: the same.
//   - PJSIPShowAors and DBGetTree: goami does not have them.
//   - ShowDialPlan: goami always names an extension, too.
//   - Login: goami.Login sends the secret in plain text, never an MD5 response.
//   - Reading events: goami reads one block at a time, cannot distinguish forged blocks
//     from genuine ones, and allocates for each header.

// HangupMatching hangs up all channels whose names match a POSIX extended regular
// expression. The response lists them as ChannelHungup events.
func HangupMatching(pattern string) Action {
	return Action{Name: "Hangup", Fields: []Field{{"Channel", "/" + pattern + "/"}}}
}

// ShowRegistry lists chan_sip's outgoing registrations as RegistryEntry events.
func ShowRegistry() Action { return Action{Name: "SIPshowregistry"} }

// ShowIAXRegistry lists chan_iax2's outgoing registrations as RegistryEntry events.
func ShowIAXRegistry() Action { return Action{Name: "IAXregistry"} }

// ShowAors lists PJSIP's addresses of record as AorList events.
func ShowAors() Action { return Action{Name: "PJSIPShowAors"} }

// DatabaseTree lists a family of Asterisk's database as DBGetTreeResponse events.
func DatabaseTree(family string) Action {
	return Action{Name: "DBGetTree", Fields: []Field{{"Family", family}}}
}

// ShowDialplan lists a context of the dialplan, and those that it includes, as ListDialplan
// events.
func ShowDialplan(context string) Action {
	return Action{Name: "ShowDialPlan", Fields: []Field{{"Context", context}}}
}

// GetConfig reads a file in Asterisk's configuration directory, or only the sections
// that match a filter such as "type=auth" ("" for all).
func GetConfig(file, filter string) Action {
	a := Action{Name: "GetConfig", Fields: []Field{{"Filename", file}}}
	if filter != "" {
		a.Fields = append(a.Fields, Field{"Filter", filter})
	}
	return a
}

// Edit is one change to a configuration file. Verb is NewCat, RenameCat,
// DelCat, EmptyCat, Update, Delete, Append or Insert. Options is a list such as
// `catfilter="type=auth"`, which selects among sections of the same name.
type Edit struct {
	Verb, Category, Variable, Value, Match, Line, Options string
}

// UpdateConfig applies edits, in order, to a file in Asterisk's configuration directory
// without reloading it. Values inherited from templates stay in the templates
// (PreserveEffectiveContext: no). An action has room for about 25 edits; Do rejects
// more with ErrTooLarge.
func UpdateConfig(file string, edits ...Edit) Action {
	a := Action{Name: "UpdateConfig", Fields: []Field{
		{"SrcFilename", file},
		{"DstFilename", file},
		{"Reload", "no"},
		{"PreserveEffectiveContext", "no"},
	}}
	for i, e := range edits {
		for _, f := range [...]Field{
			{"Action", e.Verb},
			{"Cat", e.Category},
			{"Var", e.Variable},
			{"Value", e.Value},
			{"Match", e.Match},
			{"Line", e.Line},
			{"Options", e.Options},
		} {
			if f.Value != "" {
				a.Fields = append(a.Fields, Field{fmt.Sprintf("%s-%06d", f.Name, i), f.Value})
			}
		}
	}
	return a
}

// Version returns Asterisk's version, such as "22.10.1". The user needs the system or
// reporting class.
func (c *Client) Version(ctx context.Context) (string, error) {
	r, err := goami.CoreSettings(ctx, NewSession(c), "")
	if err != nil {
		return "", err
	}
	return r.Get("AsteriskVersion"), nil
}
