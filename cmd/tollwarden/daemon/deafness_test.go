package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx"
)

// A session that manager.conf gives no calls says so until it does, and then ends.
func TestDeafness(t *testing.T) {
	calls := []pbx.Unread{{Class: "call", Unseen: "calls"}}
	type answer struct {
		lacking []pbx.Unread
		known   bool
		err     error
	}
	for name, tt := range map[string]struct {
		answers []answer
		says    string
		ends    error
	}{
		"hears":            {[]answer{{nil, true, nil}}, "", nil},
		"not known":        {[]answer{{nil, false, nil}}, "", nil},
		"may not look":     {[]answer{{nil, false, errors.New("no")}}, "", nil},
		"deaf":             {[]answer{{calls, true, nil}}, "no calls are seen: add call to read= of the AMI user", nil},
		"deaf for a while": {[]answer{{calls, true, nil}, {calls, true, nil}, {nil, true, nil}}, "no calls are seen", errHears},
		"a failure amidst": {[]answer{{calls, true, nil}, {nil, false, errors.New("no")}, {nil, true, nil}}, "no calls are seen", errHears},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var d deafness
			asked := 0
			err := d.watch(ctx, func(context.Context) ([]pbx.Unread, bool, error) {
				a := tt.answers[min(asked, len(tt.answers)-1)]
				asked++
				return a.lacking, a.known, a.err
			})
			if got := d.text(); !errors.Is(err, tt.ends) || !strings.Contains(got, tt.says) || tt.says == "" && got != "" {
				t.Errorf("%s: %v, %q", name, err, got)
			}
		})
	}
}
