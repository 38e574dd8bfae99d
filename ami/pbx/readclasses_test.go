package pbx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
)

// Asterisk lets a user log in who gets no events, and says nothing about it.
func TestUnread(t *testing.T) {
	const both = "no guesses and logins are seen: add security to read= of the AMI user, no calls are seen: add call to read= of the AMI user"
	for _, tc := range []struct {
		name, section, read, want string
		known                     bool
	}{
		{"both", "warden", "read=security,call", "", true},
		{"everything", "warden", "read=all", "", true},
		{"no calls", "warden", "read=system, security", "no calls are seen: add call to read= of the AMI user", true},
		{"no guesses", "warden", "read=call,cdr", "no guesses and logins are seen: add security to read= of the AMI user", true},
		{"nothing", "warden", "write=system", both, true},
		{"defined elsewhere", "other", "read=security,call", "", false},
	} {
		m := New(script(func(a ami.Action) (*ami.Response, error) {
			return &ami.Response{Fields: message("Category-000000", "general", "Category-000001", tc.section, "Line-000001-000000", tc.read)}, nil
		}), Options{})
		lacking, known, err := m.Unread(t.Context(), "warden")
		var words []string
		for _, u := range lacking {
			words = append(words, fmt.Sprint(u))
		}
		if got := strings.Join(words, ", "); err != nil || got != tc.want || known != tc.known {
			t.Errorf("%s: %q, known %v, %v", tc.name, got, known, err)
		}
	}
}
