package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// incomplete are the actions that change something, without what they need to do so: what
// they change, or a module that there is. Asterisk asks first whether the user may.
var incomplete = []ami.Action{
	{Name: "Command"},
	{Name: "DBDel"},
	{Name: "DBPut"},
	{Name: "DialplanExtensionAdd"},
	{Name: "Hangup"},
	{Name: "Reload", Fields: []ami.Field{{Name: "Module", Value: "tollwarden-check"}}}, // without a module, it would reload all
	{Name: "UpdateConfig"},
}

// Try sends the actions that the steps need and that change something, but incomplete, so
// that they change nothing. It returns how many Asterisk would have carried out, and those
// that it refused. What p already lacks is not tried, because Asterisk reports each refusal
// as an attack.
func (a *audit) Try(ctx context.Context, p Privileges, steps ...incident.StepKind) (tried int, refused []Lack, err error) {
	for _, action := range incomplete {
		i := slices.IndexFunc(steps, func(s incident.StepKind) bool { return slices.Contains(p.needs[s], action.Name) })
		if i < 0 || slices.ContainsFunc(p.Lacks, func(l Lack) bool { return l.Action == action.Name }) {
			continue
		}
		_, err := a.asterisk.do(ctx, action)
		var forbidden *PermissionError
		var answer *ami.Error
		switch {
		case errors.As(err, &forbidden):
			refused = append(refused, Lack{Step: steps[i], Action: action.Name, Classes: classesOf(action.Name)})
		case errors.As(err, &answer):
			tried++
		case err != nil:
			return tried, refused, fmt.Errorf("try %s: %w", action.Name, err)
		default:
			tried++
		}
	}
	return tried, refused, nil
}
