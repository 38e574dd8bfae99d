package pbx_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/test/lab"
)

// The drivers and their files, with templates and an include, give the same ports. A
// user who may read neither gets an error.
func TestBindsOfRealAsterisks(t *testing.T) {
	users := "[drivers]\nsecret = lab-drivers\nwrite = command,config,reporting,system\n[files]\nsecret = lab-files\nwrite = config,system\n"
	iax := "[general]\nbindport = 4579\nbindaddr = 0.0.0.0\nbindaddr = 127.0.0.1:4570\n"
	for version, tc := range map[lab.Version]struct {
		change map[string]string
		files  map[string]string
		want   []binds.Bind
	}{
		lab.Asterisk22: {
			map[string]string{"pjsip.conf": "#include moved.conf\n"},
			map[string]string{"moved.conf": "[udp](!)\ntype = transport\nprotocol = udp\n[moved one](udp)\nbind = 0.0.0.0:5160\n"},
			[]binds.Bind{{Port: 4570, Driver: binds.IAX2}, {Port: 4579, Driver: binds.IAX2}, {Port: 5060, Driver: binds.PJSIP}, {Port: 5160, Driver: binds.PJSIP}},
		},
		lab.Asterisk16: {
			map[string]string{"sip.conf": "#include moved.conf\n"},
			map[string]string{"moved.conf": "[general](+)\nudpbindaddr = 0.0.0.0\nbindport = 5160\n"},
			[]binds.Bind{{Port: 4570, Driver: binds.IAX2}, {Port: 4579, Driver: binds.IAX2}, {Port: 5160, Driver: binds.ChanSIP}},
		},
	} {
		t.Run("Asterisk"+string(version), func(t *testing.T) {
			tc.change["manager.conf"], tc.files["iax.conf"] = users, iax
			tc.files["http.conf"] = "[general]\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 8090\n"
			tc.change["modules.conf"] = "load = res_crypto.so\nload = chan_iax2.so\n"
			l := lab.New(t, lab.Options{Version: version, Append: tc.change, Files: tc.files})
			for _, user := range []string{"drivers", "files"} {
				answer, err := pbx.New(login(t, l, user, "lab-"+user), pbx.Options{}).Binds(soon(t))
				if err != nil {
					t.Fatal(err)
				}
				// What a later setting overrides is in the file, too.
				got := slices.DeleteFunc(answer.Binds, func(b binds.Bind) bool {
					return user == "files" && b == binds.Bind{Port: 5060, Driver: binds.ChanSIP}
				})
				slices.SortFunc(got, func(a, b binds.Bind) int { return int(a.Port) - int(b.Port) })
				if !slices.Equal(got, tc.want) {
					t.Errorf("%s: %v, want %v", user, got, tc.want)
				}
				driver := tc.want[len(tc.want)-1].Driver
				for _, want := range []binds.Bind{{Port: 5060, Driver: driver}, {Port: 8090, Driver: binds.HTTP}, {Port: 5038, Driver: binds.AMI}} {
					if !slices.Contains(answer.TCP, want) {
						t.Errorf("%s: TCP %v, want %v among them", user, answer.TCP, want)
					}
				}
				if len(answer.Started) != len("2026-11-30 09:31:32") {
					t.Errorf("%s: started %q", user, answer.Started)
				}
			}
			if _, err := pbx.New(login(t, l, lab.WatcherUser, lab.WatcherSecret), pbx.Options{}).Binds(soon(t)); err == nil || !strings.Contains(err.Error(), "add system or config") {
				t.Errorf("a user who may ask nothing: %v", err)
			}
		})
	}
}
