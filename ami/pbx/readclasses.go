package pbx

import (
	"context"
	"slices"
)

// readClasses are the classes of events that the daemon needs, with what it does not see
// without them.
var readClasses = []Unread{
	{"security", "guesses and logins"},
	{"call", "calls"},
}

// Unread is a class of events that the AMI user does not get.
type Unread struct {
	Class  string
	Unseen string // what is not seen without it
}

// String says what to add.
func (u Unread) String() string {
	return "no " + u.Unseen + " are seen: add " + u.Class + " to read= of the AMI user"
}

// Unread reads in manager.conf which events the AMI user does not get: Asterisk accepts the
// login all the same, and sends nothing. known is false if the file does not define the user,
// or may not be read.
func (a *audit) Unread(ctx context.Context, user string) (lacking []Unread, known bool, err error) {
	file, err := a.asterisk.getConfig(ctx, "manager.conf")
	if err != nil {
		return nil, false, err
	}
	var classes []string
	for _, section := range file {
		if section.name == user && !section.template {
			classes, known = list(section.last("read")), true
		}
	}
	if !known || slices.Contains(classes, "all") {
		return nil, known, nil
	}
	for _, u := range readClasses {
		if !slices.Contains(classes, u.Class) {
			lacking = append(lacking, u)
		}
	}
	return lacking, true, nil
}
