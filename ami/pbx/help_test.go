package pbx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
)

// What the dialplan lacks is added once, and what it has stays.
func TestLetCallForHelp(t *testing.T) {
	for name, c := range map[string]struct {
		there []string // nil: no such context
		added []string
	}{
		"no context":           {nil, []string{"112", "9112"}},
		"an empty one":         {[]string{}, []string{"112", "9112"}},
		"one with the number":  {[]string{"112"}, []string{"9112"}},
		"one with all of them": {[]string{"9112", "112", "_X."}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var added, put []string
			m := New(script(func(a ami.Action) (*ami.Response, error) {
				get := ami.Message(a.Fields).Get
				switch a.Name {
				case "DBPut":
					put = append(put, get("Family")+"/"+get("Key")+"="+get("Val"))
				case "ShowDialPlan":
					if c.there == nil {
						return nil, refusal(a, "Did not find context tollwarden-locked")
					}
					r := &ami.Response{}
					for _, extension := range c.there {
						r.Events = append(r.Events, message("Event", "ListDialplan", "Context", "tollwarden-locked", "Extension", extension, "Priority", "1"))
					}
					return r, nil
				case "DialplanExtensionAdd":
					if get("Context") != LockedContext || get("Application") != "GotoIf" || !strings.HasSuffix(get("ApplicationData"), "},"+get("Extension")+",1") {
						t.Errorf("added %v", a.Fields)
					}
					if get("Replace") != "" {
						t.Error("what is there is replaced")
					}
					added = append(added, get("Extension"))
				default:
					t.Errorf("asked for %s", a.Name)
				}
				return &ami.Response{}, nil
			}), Options{})
			err := m.LetCallForHelp(t.Context(), []string{"112", "9112"}, map[string]string{"o'brien & söhne": "PJSIP=from-internal SIP=odd:name", "1003": "unknown"})
			if err != nil || !slices.Equal(added, c.added) || !slices.Equal(put, []string{"tollwarden-locked/PJSIP/o'brien & söhne=from-internal"}) {
				t.Errorf("added %v, put %v, %v", added, put, err)
			}
		})
	}
	m := New(script(func(a ami.Action) (*ami.Response, error) { return nil, refusal(a, "Permission denied") }), Options{})
	var denied *PermissionError
	if err := m.LetCallForHelp(t.Context(), []string{"112"}, map[string]string{"1002": "PJSIP=internal"}); !errors.As(err, &denied) || denied.Action != "DBPut" {
		t.Errorf("without permission: %v", err)
	}
}
