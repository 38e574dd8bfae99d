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
		lines []string
		want  []uint16
	}{
		"Asterisk 22":       {printed(t, "transports-22.txt"), []uint16{5060, 5999}},
		"name with spaces":  {[]string{"Transport:  tr one                    udp      0      0  127.0.0.3:5777"}, []uint16{5777}},
		"name like a row":   {[]string{"Transport:  udp 0 0 9.9.9.9:1         tcp      0      0  0.0.0.0:5060"}, nil},
		"connected only":    {[]string{"Transport:  a   tls 0 0 0.0.0.0:5061", "Transport:  b   wss 0 0 0.0.0.0:5060"}, nil},
		"header only":       {[]string{"Transport:  <TransportId>  <Type>  <cos>  <tos>  <BindAddress>"}, nil},
		"no transports":     {[]string{"No objects found.", ""}, nil},
		"port 0":            {[]string{"Transport:  a   udp 0 0 0.0.0.0:0"}, nil},
		"port out of range": {[]string{"Transport:  a   udp 0 0 0.0.0.0:65536"}, nil},
		"no port":           {[]string{"Transport:  a   udp 0 0 0.0.0.0"}, nil},
		"nothing":           {nil, nil},
	}
	for name, tt := range tests {
		if got := transportPorts(tt.lines); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestSettingsPorts(t *testing.T) {
	tests := map[string]struct {
		lines []string
		want  []uint16
	}{
		"Asterisk 16":       {printed(t, "settings-16.txt"), []uint16{5060}},
		"moved":             {[]string{"  UDP Bindaddress:        0.0.0.0:5160", "  TCP SIP Bindaddress:    [::]:5060"}, []uint16{5160}},
		"only the first":    {[]string{"  UDP Bindaddress:        0.0.0.0:5160", "  UDP Bindaddress:        0.0.0.0:10000"}, []uint16{5160}},
		"within a value":    {[]string{"  User Agent:             UDP Bindaddress: 0.0.0.0:10000"}, nil},
		"not an address":    {[]string{"  UDP Bindaddress:        Disabled"}, nil},
		"nothing":           {nil, nil},
		"port 0 is no port": {[]string{"  UDP Bindaddress:        0.0.0.0:0"}, nil},
	}
	for name, tt := range tests {
		if got := settingsPorts(tt.lines); !slices.Equal(got, tt.want) {
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
		section("no bind", "type=transport", "protocol=udp"),
	}
	if got, want := configuredTransports(conf), []uint16{5060, 5160, 5170, 5180}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
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
			"transports": transportPorts(lines), "settings": settingsPorts(lines),
			"files": configuredTransports(conf), "general": configuredBinds(conf, defaultIAX2, "bindaddr"),
		} {
			if len(ports) > maxBinds+2 || !slices.IsSorted(ports) || slices.Contains(ports, 0) {
				t.Errorf("%s: %v", name, ports)
			}
		}
	})
}
