package pbx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// printed is what a real Asterisk prints for a CLI command.
func printed(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

func TestTransportPorts(t *testing.T) {
	tests := map[string]struct {
		lines    []string
		udp, tcp []uint16
	}{
		"Asterisk 22":       {lines: printed(t, "transports-22.txt"), udp: []uint16{5060, 5999}, tcp: []uint16{5060}},
		"name with spaces":  {lines: []string{"Transport:  tr one                    udp      0      0  127.0.0.3:5777"}, udp: []uint16{5777}},
		"name like a row":   {lines: []string{"Transport:  udp 0 0 9.9.9.9:1         tcp      0      0  0.0.0.0:5060"}, tcp: []uint16{5060}},
		"connections":       {lines: []string{"Transport:  a   tls 0 0 0.0.0.0:5061", "Transport:  b   wss 0 0 0.0.0.0:5060"}, tcp: []uint16{5061}},
		"header only":       {lines: []string{"Transport:  <TransportId>  <Type>  <cos>  <tos>  <BindAddress>"}},
		"no transports":     {lines: []string{"No objects found.", ""}},
		"port 0":            {lines: []string{"Transport:  a   udp 0 0 0.0.0.0:0"}},
		"port out of range": {lines: []string{"Transport:  a   udp 0 0 0.0.0.0:65536"}},
		"no port":           {lines: []string{"Transport:  a   udp 0 0 0.0.0.0"}},
		"nothing":           {},
	}
	for name, tt := range tests {
		if got := transportPorts(tt.lines); !slices.Equal(got.udp, tt.udp) || !slices.Equal(got.tcp, tt.tcp) {
			t.Errorf("%s: %v, want %v and %v", name, got, tt.udp, tt.tcp)
		}
	}
}

func TestSettingsPorts(t *testing.T) {
	tests := map[string]struct {
		lines         []string
		udp, tcp, tls []uint16
	}{
		"Asterisk 16":       {lines: printed(t, "settings-16.txt"), udp: []uint16{5060}, tcp: []uint16{5060}},
		"moved":             {lines: []string{"  UDP Bindaddress:        0.0.0.0:5160", "  TCP SIP Bindaddress:    [::]:5070", "  TLS SIP Bindaddress:    [::]:5061"}, udp: []uint16{5160}, tcp: []uint16{5070}, tls: []uint16{5061}},
		"only the first":    {lines: []string{"  UDP Bindaddress:        0.0.0.0:5160", "  UDP Bindaddress:        0.0.0.0:10000"}, udp: []uint16{5160}},
		"within a value":    {lines: []string{"  User Agent:             UDP Bindaddress: 0.0.0.0:10000"}},
		"not an address":    {lines: []string{"  UDP Bindaddress:        Disabled"}},
		"nothing":           {},
		"port 0 is no port": {lines: []string{"  UDP Bindaddress:        0.0.0.0:0"}},
	}
	for name, tt := range tests {
		udp, tcp, tls := shownPorts(tt.lines, "UDP Bindaddress:"), shownPorts(tt.lines, "TCP SIP Bindaddress:"), shownPorts(tt.lines, "TLS SIP Bindaddress:")
		if !slices.Equal(udp, tt.udp) || !slices.Equal(tcp, tt.tcp) || !slices.Equal(tls, tt.tls) {
			t.Errorf("%s: %v, %v and %v, want %v, %v and %v", name, udp, tcp, tls, tt.udp, tt.tcp, tt.tls)
		}
	}
}

func TestServerPorts(t *testing.T) {
	tests := map[string]struct {
		lines  []string
		before string
		want   []uint16
	}{
		"http":          {[]string{"HTTP Server Status:", "Prefix: ", "Server: Asterisk", "Server Enabled and Bound to 0.0.0.0:8088", "", "HTTPS Server Enabled and Bound to [::]:8089"}, "Bound to", []uint16{8088, 8089}},
		"http disabled": {[]string{"HTTP Server Status:", "Server Disabled"}, "Bound to", nil},
		"manager":       {[]string{"  TCP Bindaddress:           127.0.0.1:5038", "  TLS Bindaddress:           Disabled"}, "Bindaddress:", []uint16{5038}},
		"not loaded":    {nil, "Bound to", nil},
	}
	for name, tt := range tests {
		if got := serverPorts(tt.lines, tt.before); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestConfiguredServer(t *testing.T) {
	tests := map[string]struct {
		vars []string
		want []uint16
	}{
		"off by default":  {nil, nil},
		"off":             {[]string{"tlsenable=no", "tlsbindaddr=0.0.0.0:8090"}, nil},
		"on":              {[]string{"tlsenable=yes"}, []uint16{8089}},
		"address":         {[]string{"tlsenable=yes", "tlsbindaddr=0.0.0.0:8090"}, []uint16{8090}},
		"port alone":      {[]string{"tlsenable=1", "tlsbindport=8091"}, []uint16{8091}},
		"address no port": {[]string{"tlsenable=yes", "tlsbindaddr=[::]"}, []uint16{8089}},
	}
	for name, tt := range tests {
		if got := configuredServer(config{section("general", tt.vars...)}, "tlsenable", defaultHTTPS, "tlsbindport", "tlsbindaddr"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// section is a category with variables "name=value".
func section(name string, vars ...string) category {
	c := category{name: name}
	for _, v := range vars {
		key, value, _ := strings.Cut(v, "=")
		c.vars = append(c.vars, message(key, value)...)
	}
	return c
}

func TestConfiguredTransports(t *testing.T) {
	template := section("base", "type=transport", "protocol=udp", "bind=0.0.0.0:10000")
	template.template = true
	conf := config{
		template,
		section("global", "type=global", "bind=0.0.0.0:7000"),
		section("udp", "type=transport", "protocol=udp", "bind=0.0.0.0:5160"),
		section("inherits", "type=transport", "protocol=udp", "bind=0.0.0.0:10000", "bind=[::]:5170"),
		section("no port", "type=transport", "protocol=UDP", "bind=192.0.2.1"),
		section("no protocol", "type=transport", "bind=pbx.example.com:5180"),
		section("tcp", "type=transport", "protocol=tcp", "bind=0.0.0.0:5190"),
		section("tls", "type=transport", "protocol=tls", "bind=0.0.0.0"),
		section("wss", "type=transport", "protocol=wss", "bind=0.0.0.0:5200"),
		section("no bind", "type=transport", "protocol=udp"),
	}
	got, udp, tcp := configuredTransports(conf), []uint16{5060, 5160, 5170, 5180}, []uint16{5061, 5190}
	if !slices.Equal(got.udp, udp) || !slices.Equal(got.tcp, tcp) {
		t.Errorf("%v, want %v and %v", got, udp, tcp)
	}
}

func TestConfiguredBinds(t *testing.T) {
	tests := map[string]struct {
		vars []string
		want []uint16
	}{
		"nothing":                    {nil, []uint16{4569}},
		"bindport":                   {[]string{"bindport=4579"}, []uint16{4579}},
		"the last bindport":          {[]string{"bindport=4578", "bindport=4579"}, []uint16{4579}},
		"address without port":       {[]string{"bindaddr=0.0.0.0"}, []uint16{4569}},
		"address and bindport":       {[]string{"bindport=4579", "bindaddr=0.0.0.0"}, []uint16{4579}},
		"addresses, one with a port": {[]string{"bindaddr=0.0.0.0", "bindaddr=127.0.0.1:4570"}, []uint16{4569, 4570}},
		"port twice":                 {[]string{"bindport=4579", "bindaddr=[::]:4580"}, []uint16{4579, 4580}},
		"IPv6 without brackets":      {[]string{"bindaddr=2001:db8::5"}, []uint16{4569}},
		"IPv6 in brackets":           {[]string{"bindaddr=[2001:db8::5]"}, []uint16{4569}},
		"garbage":                    {[]string{"bindport=many", "bindaddr=0.0.0.0:70000"}, nil},
		"garbage and an address":     {[]string{"bindport=0", "bindaddr=::"}, []uint16{4569}},
	}
	for name, tt := range tests {
		conf := config{section("2001", "bindport=9999"), section("general", tt.vars...)}
		if got := configuredBinds(conf, defaultIAX2, "bindaddr"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Whatever the console prints, the ports are bounded, in order, and none is 0.
func FuzzPorts(f *testing.F) {
	f.Add(strings.Join(printed(f, "transports-22.txt"), "\n"))
	f.Add(strings.Join(printed(f, "settings-16.txt"), "\n"))
	f.Add("Transport:  a udp 0 0 [::]:5060\nTransport: udp udp 0 0 0.0.0.0:0\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		var conf config
		for _, l := range lines {
			conf = append(conf, section("general", "type=transport", l, "bindaddr="+l, "bindport="+l, "bind="+l))
		}
		for name, ports := range map[string][]uint16{
			"transports": transportPorts(lines).udp, "settings": shownPorts(lines, "UDP Bindaddress:"), "server": serverPorts(lines, "Bound to"),
			"connections": transportPorts(lines).tcp, "files": configuredTransports(conf).udp, "general": configuredBinds(conf, defaultIAX2, "bindaddr"),
		} {
			if len(ports) > maxBinds+2 || !slices.IsSorted(ports) || slices.Contains(ports, 0) {
				t.Errorf("%s: %v", name, ports)
			}
		}
	})
}
