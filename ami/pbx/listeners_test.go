package pbx

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/binds"
)

// Which actions ask for the ports depends on what the user may do and on which
// drivers are loaded; nothing else is asked.
func TestBinds(t *testing.T) {
	const everything = "Command CoreStatus GetConfig ModuleCheck PJSIPShowEndpoint SIPshowpeer IAXpeers"
	all := []binds.Bind{{Port: 5170, Driver: binds.PJSIP}, {Port: 5160, Driver: binds.ChanSIP}, {Port: 4579, Driver: binds.IAX2}}
	refused := &ami.Error{Message: "Permission denied"}
	tests := map[string]struct {
		may   string // the actions that the user may use
		files map[string][]ami.Field
		fails string // the action that fails
		want  []binds.Bind
		lacks string // in the error
		asked string // without ListCommands
	}{
		"console and files": {may: everything, want: all, asked: "CoreStatus Command Command GetConfig Command Command"},
		"files alone": {
			may: "CoreStatus GetConfig ModuleCheck PJSIPShowEndpoint SIPshowpeer IAXpeers", want: all,
			asked: "CoreStatus GetConfig GetConfig GetConfig GetConfig GetConfig GetConfig",
		},
		"PJSIP alone": {may: "Command CoreStatus GetConfig ModuleCheck PJSIPShowEndpoint", want: all[:1], asked: "CoreStatus Command Command Command"},
		"files alone, class config": { // it does not show which drivers are loaded
			may: "GetConfig", want: all, asked: "GetConfig GetConfig GetConfig GetConfig GetConfig GetConfig",
		},
		"neither": {may: "CoreStatus SIPshowpeer", lacks: "GetConfig: add system or config", asked: "CoreStatus"},
		"transports in a database": {
			may: "GetConfig", want: all[1:], lacks: "add command", asked: "GetConfig GetConfig GetConfig GetConfig GetConfig",
			files: map[string][]ami.Field{"sorcery.conf": message("Category-000000", "res_pjsip", "Line-000000-000000", "transport=realtime,ps_transports")},
		},
		"one question fails": {may: everything, fails: "GetConfig", want: all[:2], lacks: "ports of IAX2", asked: "CoreStatus Command Command GetConfig Command Command"},
		"no answer":          {may: everything, fails: "CoreStatus", lacks: "ask when Asterisk was started", asked: "CoreStatus"},
		"no listing":         {fails: "ListCommands", lacks: "list AMI commands"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var asked []string
			m := New(script(func(a ami.Action) (*ami.Response, error) {
				if a.Name != "ListCommands" {
					asked = append(asked, a.Name)
				}
				if a.Name == tt.fails {
					return nil, refused
				}
				get := ami.Message(a.Fields).Get
				r := &ami.Response{}
				switch a.Name {
				case "ListCommands":
					for action := range strings.FieldsSeq(tt.may) {
						r.Fields = append(r.Fields, message(action, "Does.  (Priv: all)")...)
					}
				case "CoreStatus":
					r.Fields = message("CoreStartupDate", "2026-11-30", "CoreStartupTime", "09:31:32")
				case "Command":
					r.Fields = message("Output", map[string]string{
						"pjsip show transports": "Transport:  a  udp  0  0  0.0.0.0:5170",
						"sip show settings":     "  UDP Bindaddress:        0.0.0.0:5160",
						"http show status":      "Server Enabled and Bound to 0.0.0.0:8088",
						"manager show settings": "  TCP Bindaddress:           127.0.0.1:5038",
					}[get("Command")])
				case "GetConfig":
					r.Fields = map[string][]ami.Field{
						"pjsip.conf":   message("Category-000000", "a", "Line-000000-000000", "type=transport", "Line-000000-000001", "bind=0.0.0.0:5170"),
						"sip.conf":     message("Category-000000", "general", "Line-000000-000000", "bindport=5160"),
						"iax.conf":     message("Category-000000", "general", "Line-000000-000000", "bindport=4579"),
						"http.conf":    message("Category-000000", "general", "Line-000000-000000", "enabled=yes"),
						"manager.conf": message("Category-000000", "general", "Line-000000-000000", "enabled=yes", "Line-000000-000001", "port=5038"),
					}[get("Filename")]
					if fields, other := tt.files[get("Filename")]; other {
						r.Fields = fields
					}
				}
				return r, nil
			}), Options{})
			answer, err := m.Binds(t.Context())
			if !slices.Equal(answer.Binds, tt.want) {
				t.Errorf("%v, want %v", answer.Binds, tt.want)
			}
			if servers := []binds.Bind{{Port: 8088, Driver: binds.HTTP}, {Port: 5038, Driver: binds.AMI}}; (strings.Contains(tt.may, "GetConfig") || strings.Contains(tt.may, "Command")) && tt.fails == "" && !slices.Equal(answer.TCP, servers) {
				t.Errorf("TCP: %v, want %v", answer.TCP, servers)
			}
			if (err == nil) != (tt.lacks == "") || err != nil && !strings.Contains(err.Error(), tt.lacks) {
				t.Errorf("error %v, want %q", err, tt.lacks)
			}
			if got := strings.Join(asked, " "); got != tt.asked {
				t.Errorf("asked %q, want %q", got, tt.asked)
			}
			if want := strings.Contains(tt.may, "CoreStatus") && tt.fails != "CoreStatus"; want != (answer.Started == "2026-11-30 09:31:32") {
				t.Errorf("started %q", answer.Started)
			}
		})
	}
}

// A module that is not loaded has no commands, which is no error.
func TestBindsOfModulesThatAreNotLoaded(t *testing.T) {
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		switch a.Name {
		case "ListCommands":
			return &ami.Response{Fields: message("Command", "Runs.  (Priv: command,all)", "GetConfig", "Gets.  (Priv: system,config,all)")}, nil
		case "Command":
			return nil, &ami.Error{Action: "Command", Message: "Command output follows"}
		}
		return nil, &ami.Error{Action: a.Name, Message: "Config file not found"}
	}), Options{})
	if answer, err := m.Binds(t.Context()); err != nil || len(answer.Binds) > 0 {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestPortsNeedPrivileges(t *testing.T) {
	m := New(script(func(a ami.Action) (*ami.Response, error) {
		return &ami.Response{Fields: message("SIPshowpeer", "Shows.  (Priv: system,reporting,all)")}, nil
	}), Options{})
	p, err := m.Privileges(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(p.Lacks, func(l Lack) bool { return l.Step == StepPorts && l.Action == "GetConfig" }) {
		t.Errorf("%v", p.Lacks)
	}
}

// chan_iax2 logs wrong passwords only with authdebug.
func TestIAX2GuessesMustBeLogged(t *testing.T) {
	for general, blind := range map[string]bool{"authdebug=yes": false, "authdebug=no": true, "bindport=4569": true} {
		m := New(script(func(a ami.Action) (*ami.Response, error) {
			r := &ami.Response{}
			switch {
			case a.Name == "ListCommands":
				r.Fields = message("IAXpeers", "Lists.  (Priv: system,reporting,all)", "CoreStatus", "Shows.  (Priv: system,reporting,all)")
			case ami.Message(a.Fields).Get("Filename") == "iax.conf":
				r.Fields = message("Category-000000", "general", "Line-000000-000000", general)
			}
			return r, nil
		}), Options{})
		risks, err := m.Risks(t.Context(), nil)
		if err != nil || (len(risks) > 0) != blind || blind && !strings.HasPrefix(risks[0].Text, "authdebug") {
			t.Errorf("%s: %q, %v", general, risks, err)
		}
	}
}
