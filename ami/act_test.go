package ami

// act returns an action with the given header names and values, alternating.
func act(name string, headers ...string) Action {
	a := Action{Name: name}
	for i := 0; i < len(headers); i += 2 {
		a.Fields = append(a.Fields, Field{Name: headers[i], Value: headers[i+1]})
	}
	return a
}
