package ami_test

import "github.com/tollwarden/tollwarden/ami"

// act returns an action with the given header names and values, alternating.
func act(name string, headers ...string) ami.Action {
	a := ami.Action{Name: name}
	for i := 0; i < len(headers); i += 2 {
		a.Fields = append(a.Fields, ami.Field{Name: headers[i], Value: headers[i+1]})
	}
	return a
}
