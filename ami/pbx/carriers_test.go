package pbx

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
)

// With more trunks than are asked about one by one the list comes with an error.
func TestCarriersSayWhenThereAreMore(t *testing.T) {
	for trunks, complete := range map[int]bool{maxTrunks: true, maxTrunks + 1: false} {
		m := New(script(func(a ami.Action) (*ami.Response, error) {
			r := &ami.Response{}
			switch a.Name {
			case "ListCommands":
				r.Fields = message("PJSIPShowEndpoint", "Shows.  (Priv: system,all)")
			case "GetConfig":
				if ami.Message(a.Fields).Get("Filename") == "sorcery.conf" {
					r.Fields = message("Category-000000", "res_pjsip_endpoint_identifier_ip", "Line-000000-000000", "identify=realtime,ps_endpoint_id_ips")
				}
			case "PJSIPShowEndpoints":
				for n := range trunks {
					r.Events = append(r.Events, message("Event", "EndpointList", "ObjectName", fmt.Sprintf("trunk%d", n), "Auths", ""))
				}
			case "PJSIPShowEndpoint":
				r.Events = append(r.Events, message("Event", "IdentifyDetail", "Match", "203.0.113.80/32"))
			}
			return r, nil
		}), Options{})
		list, err := m.Carriers(t.Context())
		if len(list) != maxTrunks || (err == nil) != complete || !complete && !errors.Is(err, ErrManyTrunks) {
			t.Errorf("of %d: %d, %v", trunks, len(list), err)
		}
	}
}
