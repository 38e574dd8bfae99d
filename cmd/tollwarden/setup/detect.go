package setup

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/mail"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/config"
)

// detected is what FreePBX's files and settings say about the site.
type detected struct {
	udp, tcp []uint16 // ports of SIP beside the usual ones
	allow    []network
	country  string // as Tollwarden has it, "GB"
	doubt    string // why country may be wrong, or ""
	carriers []string
	mail     string // the administrator's address
	from     string // the address that FreePBX sends from
}

// network is one that FreePBX's firewall trusts.
type network struct {
	what    string // as the configuration takes it
	refused string // why it is not proposed, or ""
}

// detect reads Asterisk's folder and settings of FreePBX. timezone is this machine's, for
// a FreePBX that has none.
func detect(etc string, settings []mariadb.Setting, timezone string) (d detected) {
	d.udp, d.tcp = sipPorts(etc)
	d.allow = trusted(settings)
	d.country, d.doubt = country(etc, settings, timezone)
	d.carriers = trunks(etc, settings)
	d.mail, d.from = administrator(settings)
	return d
}

// load is a file of Asterisk's, empty if it cannot be read.
func load(etc, name string) *conffile.Config {
	conf, err := conffile.Load(etc, name)
	if err != nil {
		return &conffile.Config{}
	}
	return conf
}

// value is the last of a section's values of a variable.
func value(s *conffile.LoadedSection, name string) (last string) {
	for _, v := range s.Variables {
		if strings.EqualFold(v.Name, name) {
			last = v.Value
		}
	}
	return last
}

// sipPorts are the ports of PJSIP's transports, and of chan_sip, that the defaults lack.
func sipPorts(etc string) (udp, tcp []uint16) {
	usual := config.Default().Firewall
	add := func(list *[]uint16, usual []uint16, text, otherwise string) {
		n, err := strconv.ParseUint(cmp.Or(text, otherwise), 10, 16)
		if port := uint16(n); err == nil && port > 0 && !slices.Contains(usual, port) && !slices.Contains(*list, port) {
			*list = append(*list, port)
		}
	}
	for _, s := range append(load(etc, "pjsip.transports.conf").Sections, load(etc, "pjsip.conf").Sections...) {
		if value(s, "type") != "transport" || s.Template {
			continue
		}
		bind := value(s, "bind")
		port := ""
		if at, err := netip.ParseAddrPort(bind); err == nil {
			port = strconv.Itoa(int(at.Port()))
		}
		switch strings.ToLower(cmp.Or(value(s, "protocol"), "udp")) {
		case "udp":
			add(&udp, usual.SIPPorts, port, "5060")
		case "tcp":
			add(&tcp, usual.TCPPorts, port, "5060")
		case "tls":
			add(&tcp, usual.TCPPorts, port, "5061")
		}
	}
	if usesChanSIP(etc) {
		if general := load(etc, "sip.conf"); general.Value("general", "bindport") != "" {
			add(&udp, usual.SIPPorts, general.Value("general", "bindport"), "")
			if conffile.True(general.Value("general", "tcpenable")) {
				add(&tcp, usual.TCPPorts, general.Value("general", "bindport"), "")
			}
		}
	}
	slices.Sort(udp)
	slices.Sort(tcp)
	return udp, tcp
}

// trusted are the networks and host names in the firewall's trusted zone, and on the
// list of its intrusion detection.
func trusted(settings []mariadb.Setting) (out []network) {
	var words []string
	for _, s := range settings {
		switch s.Key {
		case "networkmaps": // {"198.51.100.0/24":"trusted","192.0.2.7":"internal"}
			zones := map[string]any{} // PHP writes an empty one as []
			if json.Unmarshal([]byte(s.Value), &zones) != nil {
				continue
			}
			for _, net := range slices.Sorted(maps.Keys(zones)) {
				if zones[net] == "trusted" {
					words = append(words, net)
				}
			}
		case "custom_whitelist": // lines, or a JSON string or list of them
			words = append(words, texts(s.Value)...)
		}
	}
	for _, w := range words {
		n := judged(strings.TrimSpace(w))
		if n.what != "" && !slices.ContainsFunc(out, func(o network) bool { return o.what == n.what }) {
			out = append(out, n)
		}
	}
	return out
}

// judged is a word of FreePBX's lists, which are made for another purpose: a network that
// is too large is left to a person.
func judged(word string) network {
	item, err := config.ParseAllow(word)
	switch {
	case word == "" || len(word) > 253:
		return network{}
	case err != nil:
		return network{strconv.QuoteToASCII(word), "not an address, a network or a host name"}
	case item.Name != "":
		return network{what: item.Name}
	case item.Prefix.Addr().IsLoopback():
		return network{} // by default
	case item.Prefix.Bits() == 0:
		return network{item.Prefix.String(), "everybody"}
	case item.Prefix.Bits() <= 8 || config.TooWide(item.Prefix):
		return network{item.Prefix.String(), "very large; name the parts that are yours"}
	}
	return network{what: item.Prefix.String()}
}

// texts are the words of a value, which may be JSON.
func texts(value string) []string {
	var list []string
	var one string
	switch {
	case json.Unmarshal([]byte(value), &list) == nil:
		return list
	case json.Unmarshal([]byte(value), &one) == nil:
		value = one
	}
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
}

// country is that of the tones: "us" unless somebody chose another. Then the time zone has
// to be an American one, too.
func country(etc string, settings []mariadb.Setting, timezone string) (country, doubt string) {
	zone := ""
	for _, s := range settings {
		switch {
		case s.Table == "freepbx_settings" && s.Key == "TONEZONE":
			zone = s.Value
		case s.Table == "freepbx_settings" && s.Key == "PHPTIMEZONE" && s.Value != "":
			timezone = s.Value
		}
	}
	zone = cmp.Or(zone, load(etc, "indications.conf").Value("general", "country"))
	zone, _, _ = strings.Cut(strings.ToUpper(strings.TrimSpace(zone)), "-") // us-old
	if zone == "UK" {
		zone = "GB"
	}
	if len(zone) != 2 || phonenumbers.GetCountryCodeForRegion(zone) == 0 {
		return "", ""
	}
	if zone == "US" && !strings.HasPrefix(timezone, "America/") && !strings.HasPrefix(timezone, "US/") && timezone != "Pacific/Honolulu" {
		return zone, "that is the default, and the time zone is " + cmp.Or(timezone, "unknown")
	}
	return zone, ""
}

// trunkContexts begin the contexts of trunks' calls.
var trunkContexts = []string{"from-pstn", "from-trunk", "from-did-direct"}

// plainName is a name that is no pattern.
var plainName = regexp.MustCompile(`^[A-Za-z0-9 ._+@:-]+$`)

// trunks are the names of trunks, as Asterisk has them.
func trunks(etc string, settings []mariadb.Setting) (out []string) {
	add := func(name string) {
		if plainName.MatchString(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, s := range settings {
		if tech := strings.ToLower(s.Key); s.Table == "trunks" && (tech == "pjsip" || tech == "sip" || tech == "iax" || tech == "iax2") {
			add(s.Value)
		}
	}
	for _, name := range []string{"pjsip.endpoint.conf", "pjsip_additional.conf", "sip_additional.conf"} {
		for _, s := range load(etc, name).Sections {
			if context := value(s, "context"); slices.ContainsFunc(trunkContexts, func(c string) bool { return strings.HasPrefix(context, c) }) {
				add(s.Name)
			}
		}
	}
	for _, s := range load(etc, "pjsip.registration.conf").Sections {
		if value(s, "type") == "registration" {
			add(value(s, "endpoint"))
		}
	}
	slices.Sort(out)
	return out
}

var plainMail = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$`)

// administrator is where FreePBX's own notices go, and whom they are from.
func administrator(settings []mariadb.Setting) (to, from string) {
	for _, s := range settings {
		switch {
		case s.Key == "notification_emails" || s.Table == "admin" && s.Key == "email":
			for _, word := range texts(s.Value) {
				if to == "" && plainMail.MatchString(word) {
					to = word
				}
			}
		case s.Key == "AMPUSERMANEMAILFROM":
			if a, err := mail.ParseAddress(s.Value); err == nil && plainMail.MatchString(a.Address) {
				from = a.Address
			}
		}
	}
	return to, from
}

func quoted(words []string) (out []string) {
	for _, w := range words {
		out = append(out, strconv.Quote(w))
	}
	return out
}

// zoneCountry is the country of a time zone (zone.tab), or "".
func zoneCountry(zone string) string {
	text, err := os.ReadFile("/usr/share/zoneinfo/zone.tab")
	if err != nil || zone == "" {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == zone && phonenumbers.GetCountryCodeForRegion(f[0]) != 0 {
			return f[0]
		}
	}
	return ""
}

// machineTimezone is the name of this machine's time zone, or "".
func machineTimezone() string {
	if link, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, found := strings.Cut(link, "zoneinfo/"); found {
			return name
		}
	}
	text, _ := os.ReadFile("/etc/timezone")
	return strings.TrimSpace(string(text))
}
