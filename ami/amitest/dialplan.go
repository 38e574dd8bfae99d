package amitest

import (
	"cmp"
	"slices"

	"github.com/tollwarden/tollwarden/ami"
)

// exten is one priority of an extension in the dialplan.
type exten struct{ application, data string }

// step names an exten.
type step struct{ context, extension, priority string }

// doShowDialPlan lists a context, as main/pbx.c does: without included ones, since nothing
// adds any here.
func doShowDialPlan(p *PBX, _ *session, r request, a *reply) {
	context := r.get("Context")
	var found []step
	for s := range p.dialplan {
		if s.context == context {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		a.refuse("Did not find context %s", context)
		return
	}
	slices.SortFunc(found, func(x, y step) int {
		return cmp.Or(cmp.Compare(x.extension, y.extension), cmp.Compare(x.priority, y.priority))
	})
	a.list("DialPlan list will follow")
	for _, s := range found {
		e := p.dialplan[s]
		a.item("ListDialplan",
			ami.Field{Name: "Context", Value: s.context}, ami.Field{Name: "Extension", Value: s.extension}, ami.Field{Name: "Priority", Value: s.priority},
			ami.Field{Name: "Application", Value: e.application}, ami.Field{Name: "AppData", Value: e.data})
	}
	a.complete("ShowDialPlanComplete")
}

func doDialplanExtensionAdd(p *PBX, _ *session, r request, a *reply) {
	s := step{r.get("Context"), r.get("Extension"), r.get("Priority")}
	if s.context == "" || s.extension == "" || s.priority == "" || r.get("Application") == "" {
		a.refuse("Context, Extension, Priority, and Application must be defined.")
		return
	}
	if _, found := p.dialplan[s]; found && r.get("Replace") != "yes" {
		a.refuse("That extension and priority already exist at that context")
		return
	}
	p.dialplan[s] = exten{r.get("Application"), r.get("ApplicationData")}
	a.success("Added requested extension")
}
