package setup

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/tollwarden/tollwarden/config"
)

// question is one screen of the interview.
type question struct {
	key, title string
	ask        string   // one line
	help       string   // what the answers file says about it
	list       bool     // several texts
	choices    []string // the only answers; nil: any text
	// found says what is known, in a few short lines.
	found func(f *site, a Answers) []string
	// propose is the answer unless there is one.
	propose func(f *site, a Answers) []string
	// tidy brings one text of an answer into the usual form; nil leaves it alone.
	tidy func(word string) string
	// check says what is wrong with one text of an answer; nil takes any.
	check func(f *site, a Answers, word string) error
	// skip leaves the question out; nil asks it always.
	skip func(f *site, a Answers) bool
}

// questions are asked in this order.
var questions = []*question{
	{
		key: "manager", title: "Asterisk's manager interface", choices: []string{yes, no},
		ask:  "Turn it on, for this machine only?",
		help: `"yes" turns it on for this machine only, if it is off`,
		found: func(f *site, _ Answers) []string {
			return []string{"It is off in " + f.manager.path + ".", "Tollwarden learns of wrong passwords and calls through it, so it is needed."}
		},
		propose: always(yes),
		skip:    func(f *site, _ Answers) bool { return f.manager.enabled },
	},
	{
		key: "not_ours", title: "Who is signed in", list: true,
		ask:  "Which of these are not yours (extensions or IP addresses)?",
		help: "extensions or IP addresses that are signed in now and are not yours",
		found: func(f *site, _ Answers) (lines []string) {
			for _, r := range f.registered {
				lines = append(lines, "  "+r.String())
			}
			return append(lines, "One that is not yours has a stolen password.")
		},
		propose: always(),
		check: func(f *site, _ Answers, word string) error {
			for _, r := range f.registered {
				if r.extension == word || r.address.String() == word {
					return nil
				}
			}
			return fmt.Errorf("%q: no such extension or IP address is signed in", word)
		},
		skip: func(f *site, _ Answers) bool { return len(f.registered) == 0 },
	},
	{
		key: "offices", title: "Your networks", list: true,
		ask:  "IP addresses, networks or host names that are never blocked:",
		help: `never blocked, such as ["198.51.100.0/24", "home.example.org"]`,
		found: func(f *site, a Answers) (lines []string) {
			switch {
			case f.here.IsValid():
				lines = append(lines, "You are logged in from "+f.here.String()+".")
			case len(f.operators) > 0:
				lines = append(lines, "Somebody is logged in by SSH from "+joined(f.operators)+".")
			}
			for _, n := range f.allow {
				if n.refused != "" {
					lines = append(lines, "FreePBX trusts "+n.what+", left out here: "+n.refused+".")
				}
			}
			return append(lines, "Name your offices and homes. Names of dynamic DNS work, too.")
		},
		propose: func(f *site, a Answers) (list []string) {
			for _, o := range f.operators {
				list = append(list, o.String())
			}
			for _, n := range f.allow {
				if n.refused == "" && !slices.Contains(list, n.what) {
					list = append(list, n.what)
				}
			}
			return slices.DeleteFunc(list, func(w string) bool { return notOurs(f, a, w) != nil })
		},
		check: func(f *site, a Answers, word string) error {
			item, err := config.ParseAllow(word)
			if err != nil {
				return err
			}
			if refused := item.Refused(); refused != "" {
				return fmt.Errorf("%s: %s", word, refused)
			}
			return notOurs(f, a, word)
		},
	},
	{
		key: "country", title: "Country",
		ask:  `Where is this PBX (two letters, such as "GB")?`,
		help: `two letters, such as "GB": without it, calls abroad are hard to tell`,
		found: func(f *site, _ Answers) []string {
			const why = "Stolen passwords are used for calls abroad: without the country, few of those are recognised."
			if f.doubt != "" {
				return []string{why, "Asterisk's dial tones are those of " + f.country + ", but " + f.doubt + "."}
			}
			return []string{why}
		},
		propose: func(f *site, _ Answers) []string {
			if f.doubt != "" || f.country == "" {
				return words(zoneCountry(machineTimezone()))
			}
			return words(f.country)
		},
		check: func(_ *site, _ Answers, word string) error {
			switch {
			case phonenumbers.GetCountryCodeForRegion(word) != 0:
				return nil
			case word == "UK":
				return fmt.Errorf(`%q: the code of the United Kingdom is "GB"`, word)
			}
			return fmt.Errorf(`%q is not the code of a country: want two letters, such as "GB" or "US"`, word)
		},
		tidy: strings.ToUpper,
	},
	{
		key: "outside_line", title: "Outside line", list: true,
		ask:     "What do people dial first for an outside line (nothing, or a digit such as 9)?",
		help:    `what people dial first for an outside line, such as ["9"]; [] is nothing`,
		propose: always(),
		check: func(_ *site, _ Answers, word string) error {
			if _, err := strconv.Atoi(word); err != nil || len(word) > 4 {
				return fmt.Errorf("%q: want one to four digits", word)
			}
			return nil
		},
	},
	{
		key: "hours", title: "Office hours", list: true,
		ask:  `When do people work (such as "Mon-Fri 08:00-18:00")?`,
		help: `such as ["Mon-Fri 08:00-18:00", "Sat 09:00-13:00"]; [] is around the clock`,
		found: func(*site, Answers) []string {
			return []string{"Costly calls at other times are watched more closely. Leave it empty if people work around the clock."}
		},
		propose: always(),
		tidy:    tidyHours,
		check:   func(_ *site, _ Answers, word string) error { return checkKey("calls.hours", []string{word}) },
	},
	{
		key: "carriers", title: "Carriers", list: true,
		ask:  "Trunks and other PBXs that sign in here with a password:",
		help: "names of trunks and other PBXs that sign in here with a password",
		found: func(f *site, _ Answers) []string {
			if len(f.carriers) > 0 {
				return []string{"Found: " + strings.Join(f.carriers, ", ") + ". Carriers that Asterisk signs in to are known anyway."}
			}
			return []string{"None found. Carriers that Asterisk signs in to are known anyway."}
		},
		propose: func(f *site, _ Answers) []string { return f.carriers },
		check:   knownCarrier,
	},
	{
		key: "mail_to", title: "E-mail", list: true,
		ask:  "Who gets a message when something happens (e-mail addresses)?",
		help: `who gets messages, such as ["ops@example.org"]; [] is nobody`,
		found: func(f *site, _ Answers) []string {
			if f.mail != "" {
				return []string{"FreePBX sends its own messages to " + f.mail + "."}
			}
			return nil
		},
		propose: func(f *site, _ Answers) []string {
			if !f.takesMail {
				return nil // without a mail server, a person has to say more
			}
			return words(f.mail)
		},
		check: mailAddress,
	},
	{
		key: "mail_server", title: "Mail server",
		ask:  "Which mail server takes them (host:port)?",
		help: `host:port, such as "127.0.0.1:25"; a server that wants a login: see [notify.mail]`,
		found: func(f *site, _ Answers) []string {
			if f.takesMail {
				return []string{"A mail server runs on this machine."}
			}
			return []string{"Nothing takes mail on this machine, so name your mail server.", "If it wants a login, add username and password_file to [notify.mail] afterwards."}
		},
		propose: func(f *site, _ Answers) []string {
			if f.takesMail {
				return []string{"127.0.0.1:25"}
			}
			return nil
		},
		check: func(_ *site, _ Answers, word string) error {
			if host, p, err := net.SplitHostPort(word); err != nil || host == "" || port(nil, nil, p) != nil {
				return fmt.Errorf(`%q: want host:port, such as "mail.example.org:587"`, word)
			}
			return nil
		},
		skip: func(_ *site, a Answers) bool { return len(a["mail_to"]) == 0 },
	},
	{
		key: "mail_from", title: "Sender",
		ask:     "From which address do they come?",
		help:    "the address that messages come from",
		propose: func(f *site, _ Answers) []string { return words(sender(f)) },
		check:   mailAddress,
		skip:    func(_ *site, a Answers) bool { return len(a["mail_to"]) == 0 },
	},
	{
		key: "webhook", title: "Chat",
		ask:     "Address of a webhook that gets messages, too (https://…, or nothing)?",
		help:    "https:// address that gets messages as JSON",
		propose: always(),
		check: func(_ *site, _ Answers, word string) error {
			if u, err := url.Parse(word); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return fmt.Errorf("want an address that begins with https://")
			}
			return nil
		},
	},
	{
		key: "log", title: "Asterisk's log",
		ask:  `Which log is read (a file, "add" for one of Tollwarden's own, or "none")?`,
		help: `a file; "add" has Asterisk write one for Tollwarden; "none" reads none`,
		found: func(f *site, _ Answers) []string {
			best, complete := bestLog(f.logs)
			switch {
			case complete:
				return []string{"Asterisk writes all that is needed to " + best.path + "."}
			case best.path != "":
				return []string{best.path + " does not hold all that is needed: NOTICE, WARNING, ERROR and SECURITY lines.", `"add" adds the line "` + ourLog + " => " + ourLevels + `" to logger.conf.`}
			}
			return []string{"No log has NOTICE lines, which show attackers that hide from the manager interface.", `"add" adds the line "` + ourLog + " => " + ourLevels + `" to logger.conf.`}
		},
		propose: func(f *site, _ Answers) []string {
			if best, complete := bestLog(f.logs); complete {
				return []string{f.onHost(best.path)}
			}
			return []string{logAdd}
		},
		check: func(_ *site, _ Answers, word string) error {
			if word != logAdd && word != logNone && !filepath.IsAbs(word) {
				return fmt.Errorf(`%q: want an absolute path, "add" or "none"`, word)
			}
			return nil
		},
	},
	{
		key: "sip_ports", title: "SIP ports over UDP", list: true,
		ask:  "UDP ports that a block closes:",
		help: "UDP ports that a block closes, besides those that Asterisk names",
		found: func(*site, Answers) []string {
			return []string{"Asterisk's own ports are found automatically. Add those that this machine or a container redirects to Asterisk."}
		},
		propose: func(f *site, _ Answers) []string { return numbers(config.Default().Firewall.SIPPorts, f.udp) },
		check:   port,
	},
	{
		key: "sip_tcp_ports", title: "SIP ports over TCP", list: true,
		ask:     "TCP ports that a block closes:",
		help:    "TCP ports that a block closes, besides those that Asterisk names",
		propose: func(f *site, _ Answers) []string { return numbers(config.Default().Firewall.TCPPorts, f.tcp) },
		check:   port,
	},
	{
		key: "fail2ban", title: "fail2ban", choices: []string{"off", "keep"},
		ask:  "Turn its jails for Asterisk off?",
		help: `"off" turns off fail2ban's jails for Asterisk only, "keep" leaves them`,
		found: func(f *site, _ Answers) []string {
			return []string{"fail2ban runs and watches Asterisk, too: " + strings.Join(f.jails, ", ") + ".", "Two programs that block are hard to understand. Its other jails, such as that for SSH, stay on."}
		},
		propose: always("off"),
		skip:    func(f *site, _ Answers) bool { return len(f.jails) == 0 },
	},
	{
		key: "guests", title: "Calls without a password", choices: []string{"keep", "refuse"},
		ask:  "Do you need that?",
		help: `"refuse" says how to turn calls without a password off, "keep" is for those who need them`,
		found: func(f *site, _ Answers) []string {
			return []string{"Anybody can call in without a password (" + f.guests + ").", "Few sites need that. Setup does not change it: \"refuse\" shows how."}
		},
		propose: always("keep"),
		skip:    func(f *site, _ Answers) bool { return f.guests == "" },
	},
	{
		key: "mode", title: "Protect now, or watch first", choices: []string{modeProtect, modeWatch},
		ask:  "Protect now?",
		help: `"protect" blocks attackers from the start; "watch" only reports what it would do`,
		found: func(*site, Answers) []string {
			return []string{"protect: attackers are blocked and stolen passwords changed from now on.", "watch:   you only hear what would be done. `tollwarden enforce` protects later."}
		},
		propose: always(modeProtect),
	},
	{
		key: "start", title: "Start", choices: []string{yes, no},
		ask:     "Start it now, and after each boot?",
		help:    `"yes" starts the service`,
		propose: always(yes),
	},
}

func questionOf(key string) *question {
	for _, q := range questions {
		if q.key == key {
			return q
		}
	}
	return nil
}

// Questions are the keys of the answers, in order, with what they mean.
func Questions() (list [][2]string) {
	for _, q := range questions {
		list = append(list, [2]string{q.key, q.help})
	}
	return list
}

// answerOf checks an answer and returns it in the form that it is kept in.
func (q *question) answerOf(f *site, a Answers, given []string) ([]string, error) {
	if len(q.choices) > 0 {
		if len(given) != 1 {
			return nil, fmt.Errorf("answer %s", strings.Join(q.choices, " or "))
		}
		for i, answer := range []string{yes, no} { // to a question that begins as if that were one
			if strings.HasPrefix(answer, strings.ToLower(given[0])) && !slices.Contains(q.choices, answer) {
				return []string{q.choices[i]}, nil
			}
		}
		for _, c := range q.choices {
			if strings.HasPrefix(c, strings.ToLower(given[0])) {
				return []string{c}, nil
			}
		}
		return nil, fmt.Errorf("%q: answer %s", given[0], strings.Join(q.choices, " or "))
	}
	if q.tidy != nil {
		given = slices.Clone(given)
		for i, w := range given {
			given[i] = q.tidy(w)
		}
	}
	for _, w := range given {
		if q.check == nil {
			break
		}
		if err := q.check(f, a, w); err != nil {
			return nil, err
		}
	}
	return given, nil
}

func always(answer ...string) func(*site, Answers) []string {
	return func(*site, Answers) []string { return answer }
}

func words(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func sender(f *site) string {
	if f.from != "" {
		return f.from
	}
	return "tollwarden@" + f.host
}

func mailAddress(_ *site, _ Answers, word string) error {
	if a, err := mail.ParseAddress(word); err != nil || a.Address != word {
		return fmt.Errorf("%q: want an e-mail address, such as ops@example.org", word)
	}
	return nil
}

func port(_ *site, _ Answers, word string) error {
	if n, err := strconv.ParseUint(word, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: want a port, 1 to 65535", word)
	}
	return nil
}

func numbers(usual, more []uint16) (list []string) {
	for _, p := range append(slices.Clone(usual), more...) {
		list = append(list, strconv.Itoa(int(p)))
	}
	return list
}

func joined(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// notOurs refuses to protect an address that a person says is not theirs.
func notOurs(f *site, a Answers, word string) error {
	prefix, err := config.ParsePrefix(word)
	if err != nil {
		return nil // a host name
	}
	for _, r := range f.registered {
		if prefix.Contains(r.address) && (slices.Contains(a["not_ours"], r.address.String()) || slices.Contains(a["not_ours"], r.extension)) {
			return fmt.Errorf("%s: extension %s is signed in from there, and you said that it is not yours", word, r.extension)
		}
	}
	return nil
}
