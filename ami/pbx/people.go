package pbx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/people"
)

// maxAsked bounds the endpoints in a database whose names are asked for one by one.
const maxAsked = 256

// People lists who the accounts belong to, by Asterisk's configuration: the caller ID of
// PJSIP, chan_sip and IAX2, then the mailbox. FreePBX writes an extension's name into
// both. An error beside a list says why it is not complete.
func (i inventory) People(ctx context.Context) ([]people.Person, error) {
	boxes, err := i.mailboxes(ctx)
	errs := []error{err}
	sections, err := i.callerIDs(ctx)
	errs = append(errs, err)
	stored, err := i.storedCallerIDs(ctx, sections)
	errs = append(errs, err)
	return peopleOf(append(sections, stored...), boxes), errors.Join(errs...)
}

// holder is what a channel driver's configuration says of an account's person.
type holder struct {
	account, name, mailbox string
	email                  string // of users.conf, which makes mailboxes
}

// mailbox is an entry of voicemail.conf. The PIN in it is not kept.
type mailbox struct {
	name   string
	emails []string
}

// peopleOf puts together what the channel drivers and voicemail.conf say.
func peopleOf(holders []holder, boxes map[string]mailbox) (list []people.Person) {
	for _, h := range holders {
		list = append(list, people.Person{Account: h.account, Name: h.name})
		if h.email != "" {
			list = append(list, people.Person{Account: h.account, Emails: []string{h.email}})
		}
		if box, ok := boxes[boxOf(h)]; ok {
			list = append(list, people.Person{Account: h.account, Name: box.name, Emails: box.emails})
		}
	}
	listed := map[string]bool{}
	for _, h := range holders {
		listed[h.account] = true
	}
	for _, at := range slices.Sorted(maps.Keys(boxes)) { // of accounts that no file lists, as in a database
		if number, context, _ := strings.Cut(at, "@"); context == defaultContext && !listed[number] {
			list = append(list, people.Person{Account: number, Name: boxes[at].name, Emails: boxes[at].emails})
		}
	}
	return list
}

// defaultContext is where app_voicemail looks for a mailbox without a context.
const defaultContext = "default"

// boxOf is the mailbox of an account: the first that its section names, or the one of the
// same number. FreePBX writes "@device" where there is none.
func boxOf(h holder) string {
	first, _, _ := strings.Cut(h.mailbox, ",")
	number, context, _ := strings.Cut(strings.TrimSpace(first), "@")
	if number == "" || context == "device" {
		number, context = h.account, ""
	}
	if context == "" {
		context = defaultContext
	}
	return number + "@" + context
}

// mailboxes reads voicemail.conf: "1006 => PIN,name,e-mail,pager,options" by context.
func (i inventory) mailboxes(ctx context.Context) (map[string]mailbox, error) {
	conf, err := i.asterisk.getConfig(ctx, "voicemail.conf")
	if err != nil {
		return nil, err
	}
	boxes := map[string]mailbox{}
	for _, c := range conf {
		if c.template || c.name == "general" || c.name == "zonemessages" {
			continue
		}
		for _, v := range c.vars {
			parts := strings.Split(v.Value, ",")
			if len(parts) < 2 {
				continue
			}
			box := mailbox{name: strings.Clone(strings.TrimSpace(parts[1]))}
			if len(parts) > 2 && parts[2] != "" {
				box.emails = strings.Split(strings.Clone(parts[2]), "|")
			}
			boxes[v.Name+"@"+c.name] = box
		}
	}
	return boxes, nil
}

// callerIDFiles are the files whose sections are accounts with a name, and the types of
// these sections; any, if there are none.
var callerIDFiles = []struct {
	file, filter, prefix string
	kinds                []string
}{
	{"pjsip.conf", "^(callerid|mailboxes)$=.+", "", []string{"endpoint"}},
	{"pjsip_wizard.conf", "^endpoint/(callerid|mailboxes)$=.+", "endpoint/", []string{"wizard"}},
	{"sip.conf", "^(callerid|fullname|mailbox)$=.+", "", iaxKinds},
	{iaxFile, "^(callerid|fullname|mailbox)$=.+", "", iaxKinds},
	{"users.conf", "^(callerid|fullname)$=.+", "", nil},
}

// callerIDs reads who the accounts in the channel drivers' files belong to.
func (i inventory) callerIDs(ctx context.Context) (list []holder, err error) {
	read := carriers{asterisk: i.asterisk}
	var errs []error
	for _, f := range callerIDFiles {
		sections, err := read.sections(ctx, f.file, f.filter)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, c := range sections {
			if c.name == "general" || len(f.kinds) > 0 && !slices.ContainsFunc(f.kinds, c.is) {
				continue
			}
			h := holder{account: strings.Clone(c.name), name: strings.Clone(callerName(c.last(f.prefix + "callerid")))}
			if h.name == "" {
				h.name = strings.Clone(c.last("fullname"))
			}
			h.mailbox = strings.Clone(c.last(f.prefix + "mailboxes"))
			if h.mailbox == "" {
				h.mailbox = strings.Clone(c.last("mailbox"))
			}
			if f.file == "users.conf" {
				h.email = strings.Clone(c.last("email"))
			}
			list = append(list, h)
		}
	}
	return list, errors.Join(errs...)
}

// storedCallerIDs asks for the names of PJSIP's endpoints in a database: no file has them.
func (i inventory) storedCallerIDs(ctx context.Context, known []holder) (list []holder, err error) {
	stores, err := i.asterisk.stores(ctx)
	if err != nil || stores.endpointFamily == "" {
		return nil, err
	}
	endpoints, err := i.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	for _, h := range known {
		listed[h.account] = true
	}
	for _, e := range endpoints {
		name := own(e, "ObjectName")
		if listed[name] || checkAccount(name) != nil || len(list) >= maxAsked {
			continue
		}
		items, err := goami.PJSIPShowEndpoint(ctx, i.asterisk.session(), "", name)
		if answered(err, "Unable to retrieve endpoint") {
			continue // it was removed meanwhile
		}
		if err != nil {
			return list, fmt.Errorf("look up PJSIP endpoint %s: %w", name, err)
		}
		for _, item := range items {
			if item.Get("Event") == "EndpointDetail" && once(item, "Callerid", "Mailboxes") {
				list = append(list, holder{account: name, name: strings.Clone(callerName(item.Get("Callerid"))), mailbox: own(item, "Mailboxes")})
			}
		}
	}
	return list, nil
}

// callerName is the name in a caller ID: `"Front desk" <1006>`, `Front desk <1006>` or a
// name alone; "" if there is only a number (main/callerid.c, ast_callerid_parse).
func callerName(id string) string {
	name := strings.TrimSpace(id)
	if at := strings.LastIndexByte(name, '<'); at >= 0 {
		name = strings.TrimSpace(name[:at])
	} else if strings.Trim(name, "0123456789+*#-. ()") == "" {
		return ""
	}
	if unquoted, ok := strings.CutPrefix(name, `"`); ok {
		name = strings.ReplaceAll(strings.TrimSuffix(unquoted, `"`), `\"`, `"`)
	}
	if name == "<unknown>" || strings.EqualFold(name, "unknown") || strings.EqualFold(name, "asterisk") {
		return ""
	}
	return name
}
