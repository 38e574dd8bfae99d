package pbx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// ErrNoAccount reports a name that is neither a PJSIP endpoint nor a chan_sip
// peer of this Asterisk. It is an incident.ErrRefused.
var ErrNoAccount = fmt.Errorf("%w: no such extension", incident.ErrRefused)

// PermissionError reports an action that the AMI user may not do.
type PermissionError struct {
	Action  string   // the AMI action Asterisk refused
	Classes []string // any one of these write classes allows it
}

// Error names the action and what to add to manager.conf.
func (e *PermissionError) Error() string {
	return fmt.Sprintf("AMI user may not do %s: add %s to its write= line in manager.conf, then `manager reload`",
		e.Action, strings.Join(e.Classes, " or "))
}

// several is more than one error in one line.
type several []error

func (s several) Error() string {
	var lines []string
	for _, err := range s {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "; ")
}

func (s several) Unwrap() []error { return s }

// join is errors.Join in one line.
func join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return several(errs)
}

// answered reports whether err is Asterisk's own error that begins with text.
func answered(err error, text string) bool {
	var e *ami.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Message, text)
}

// unknownAction reports whether Asterisk does not have the action at all: the
// module that brings it is not loaded.
func unknownAction(err error) bool { return answered(err, "Invalid/unknown command") }
