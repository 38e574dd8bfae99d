package ami

import (
	"context"
	"fmt"
	"strconv"
)

// The actions below are those the daemon needs; send them with Do. Where goami
// has a function of the same name it says less: it cannot order UpdateConfig's
// edits nor give them options.

// Ping asks for a sign of life.
func Ping() Action { return Action{Name: "Ping"} }

// HangupChannel ends the channel of that name, or all that match a POSIX extended
// regular expression between slashes; then the answer is a list of
// ChannelHungup. The cause is a Q.850 code; 0 leaves it to Asterisk.
func HangupChannel(channel string, cause int) Action {
	a := Action{Name: "Hangup", Fields: []Field{{"Channel", channel}}}
	if cause > 0 {
		a.Fields = append(a.Fields, Field{"Cause", strconv.Itoa(cause)})
	}
	return a
}

// ShowChannels lists the live channels as CoreShowChannel items.
func ShowChannels() Action { return Action{Name: "CoreShowChannels"} }

// ShowContacts lists PJSIP's contacts as ContactList items. Asterisk answers
// with the *Error "No Contacts found" where there are none.
func ShowContacts() Action { return Action{Name: "PJSIPShowContacts"} }

// ShowEndpoint tells all about one PJSIP endpoint as EndpointDetail, AuthDetail,
// AorDetail, ContactStatusDetail and more items. AuthDetail holds the secret.
func ShowEndpoint(endpoint string) Action {
	return Action{Name: "PJSIPShowEndpoint", Fields: []Field{{"Endpoint", endpoint}}}
}

// Getvar asks for a variable or function of a channel, or a global one where
// channel is "". The answer is in Value.
func Getvar(channel, variable string) Action {
	a := Action{Name: "Getvar", Fields: []Field{{"Variable", variable}}}
	if channel != "" {
		a.Fields = append([]Field{{"Channel", channel}}, a.Fields...)
	}
	return a
}

// Command runs a line of Asterisk's CLI; see Response.Output. The caller must
// not let a stranger's words into it: it has its own quoting.
func Command(line string) Action {
	return Action{Name: "Command", Fields: []Field{{"Command", line}}}
}

// ReloadModule reloads one module, such as "res_pjsip.so". Asterisk answers when it
// is done or queued, which may take seconds.
func ReloadModule(module string) Action {
	return Action{Name: "Reload", Fields: []Field{{"Module", module}}}
}

// GetConfig reads a file of Asterisk's configuration folder, or those of its
// sections with that name (category "" for all) that match a filter such as
// "type=auth" ("" for no filter).
func GetConfig(file, category, filter string) Action {
	a := Action{Name: "GetConfig", Fields: []Field{{"Filename", file}}}
	if category != "" {
		a.Fields = append(a.Fields, Field{"Category", category})
	}
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

// DBDel deletes one row of Asterisk's database.
func DBDel(family, key string) Action {
	return Action{Name: "DBDel", Fields: []Field{{"Family", family}, {"Key", key}}}
}

// Version asks for Asterisk's own version, such as "22.10.1". The user needs
// the system or reporting class.
func (c *Client) Version(ctx context.Context) (string, error) {
	r, err := c.Do(ctx, Action{Name: "CoreSettings"})
	if err != nil {
		return "", err
	}
	return r.Get("AsteriskVersion"), nil
}
