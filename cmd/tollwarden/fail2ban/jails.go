package fail2ban

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// jail is a jail of the configuration.
type jail struct {
	name    string
	enabled bool
	ignore  string // its ignoreip, with all references filled in
	wrong   error  // why they could not be: ignore is then as it is written
	ports   string
	all     bool // its bans cover all ports
	filter  string
}

// jails lists the jails of a configuration in their order, enabled or not.
func (c *configuration) jails() (list []jail) {
	for _, name := range c.order {
		if name == "INCLUDES" || strings.HasPrefix(name, "KNOWN/") {
			continue
		}
		j := jail{name: name}
		j.ignore, _, j.wrong = c.get(name, "ignoreip")
		text := func(option string) string {
			value, _, _ := c.get(name, option)
			return value
		}
		j.enabled = slices.Contains([]string{"1", "on", "true", "yes"}, strings.ToLower(text("enabled")))
		j.ports, j.filter = text("port"), cmp.Or(text("filter"), name)
		action := text("action") + " " + text("banaction")
		j.all = slices.ContainsFunc([]string{"allports", "route", "blackhole", "shorewall"}, func(word string) bool { return strings.Contains(action, word) })
		list = append(list, j)
	}
	return list
}

// sipPorts are Asterisk's ports: of SIP over UDP, TCP and TLS, and of IAX2.
var sipPorts = []int{5060, 5061, 4569}

// covers reports whether the bans of a jail cover Asterisk: one about Asterisk, one that
// covers its ports, or one that does not say which ports it covers.
func (j *jail) covers() bool {
	if j.all || j.aboutAsterisk() || j.ports == "" {
		return true
	}
	for port := range strings.FieldsFuncSeq(j.ports, isSeparator) {
		switch strings.ToLower(port) {
		case "any", "all", "sip", "sips", "sip-tls", "iax":
			return true
		}
		first, last, ranged := strings.Cut(strings.ReplaceAll(port, "-", ":"), ":")
		from, err := strconv.Atoi(cmp.Or(first, "0"))
		to := from
		if err == nil && ranged {
			to, err = strconv.Atoi(cmp.Or(last, "65535"))
		}
		if err == nil && slices.ContainsFunc(sipPorts, func(p int) bool { return p >= from && p <= to }) {
			return true
		}
	}
	return false
}

func (j *jail) aboutAsterisk() bool {
	return strings.Contains(strings.ToLower(j.name), "asterisk") || strings.Contains(strings.ToLower(j.filter), "asterisk")
}

func isSeparator(r rune) bool { return r == ',' || isSpace(r) }
