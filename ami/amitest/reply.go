package amitest

import (
	"fmt"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

// reply builds the response to an action.
type reply struct {
	strings.Builder
	id    string // the ActionID line, or ""
	items int
}

func (r request) reply() *reply {
	a := &reply{}
	if id := r.get("ActionID"); id != "" {
		a.id = line("ActionID", id)
	}
	return a
}

func line(name, value string) string { return name + ": " + value + "\r\n" }

func (a *reply) fields(fields ...ami.Field) *reply {
	for _, f := range fields {
		a.WriteString(line(f.Name, f.Value))
	}
	return a
}

// head starts a response.
func (a *reply) head(kind string) *reply {
	a.WriteString(line("Response", kind) + a.id)
	return a
}

// end ends a block.
func (a *reply) end() *reply {
	a.WriteString("\r\n")
	return a
}

// ok writes a complete "Success" response.
func (a *reply) ok(fields ...ami.Field) *reply { return a.head("Success").fields(fields...).end() }

// success writes a complete "Success" response with a message.
func (a *reply) success(message string) *reply {
	return a.ok(ami.Field{Name: "Message", Value: message})
}

// refuse writes a complete "Error" response. PJSIP's messages end with "\n", as in Asterisk.
func (a *reply) refuse(format string, args ...any) *reply {
	return a.head("Error").fields(ami.Field{Name: "Message", Value: fmt.Sprintf(format, args...)}).end()
}

// list starts a list.
func (a *reply) list(message string) *reply {
	return a.ok(ami.Field{Name: "EventList", Value: "start"}, ami.Field{Name: "Message", Value: message})
}

// item adds a list item with the ActionID after its name.
func (a *reply) item(event string, fields ...ami.Field) *reply {
	a.items++
	a.WriteString(line("Event", event) + a.id)
	return a.fields(fields...).end()
}

// lastID adds a list item with the ActionID at its end.
func (a *reply) lastID(event string, fields ...ami.Field) *reply {
	a.items++
	a.WriteString(line("Event", event))
	a.fields(fields...).WriteString(a.id)
	return a.end()
}

// complete ends a list.
func (a *reply) complete(event string) *reply {
	a.WriteString(line("Event", event) + a.id + line("EventList", "Complete") + line("ListItems", fmt.Sprint(a.items)))
	return a.end()
}
