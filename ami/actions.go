package ami

import (
	"context"
	"fmt"

	goami "github.com/heltonmarx/goami/ami"
)

// Actions are goami's functions over a Session. The code below and in login.go
// covers what goami cannot express:
//
//   - Hangup by a pattern: goami.Hangup reads the first block of the answer, not
//     the list of channels that were ended.
//   - GetConfig and UpdateConfig: goami keeps answers and edits in maps, which
//     lose the order that both depend on, and knows no Match and Options.
//   - SIPshowregistry: goami waits for events of another name than Asterisk's
//     and finds no registration at all.
//   - Login: goami.Login sends the secret itself, never the proof by MD5.
//   - Reading events: goami reads one block at a time, cannot distinguish forged
//     blocks from Asterisk's own, and allocates for each header.

// HangupMatching ends all channels whose names match a POSIX extended regular
// expression. The answer lists them as ChannelHungup.
func HangupMatching(pattern string) Action {
	return Action{Name: "Hangup", Fields: []Field{{"Channel", "/" + pattern + "/"}}}
}

// ShowRegistry lists chan_sip's own registrations as RegistryEntry items.
func ShowRegistry() Action { return Action{Name: "SIPshowregistry"} }

// GetConfig reads a file of Asterisk's configuration folder, or those of its
// sections that match a filter such as "type=auth" ("" for all).
func GetConfig(file, filter string) Action {
	a := Action{Name: "GetConfig", Fields: []Field{{"Filename", file}}}
	if filter != "" {
		a.Fields = append(a.Fields, Field{"Filter", filter})
	}
	return a
}

// Edit is one change of a configuration file. Verb is NewCat, RenameCat,
// DelCat, EmptyCat, Update, Delete, Append or Insert. Options is a list such as
// `catfilter="type=auth"`, which picks among sections of the same name.
type Edit struct {
	Verb, Category, Variable, Value, Match, Line, Options string
}

// UpdateConfig applies edits, in order, to a file of Asterisk's configuration
// folder and reloads nothing. Values inherited from templates are left in the
// templates (PreserveEffectiveContext: no). One action takes about 25 edits;
// Do refuses more with ErrTooLarge.
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

// Version asks for Asterisk's own version, such as "22.10.1". The user needs
// the system or reporting class.
func (c *Client) Version(ctx context.Context) (string, error) {
	r, err := goami.CoreSettings(ctx, NewSession(c), "")
	if err != nil {
		return "", err
	}
	return r.Get("AsteriskVersion"), nil
}
