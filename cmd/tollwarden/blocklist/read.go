package blocklist

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
	"github.com/tollwarden/tollwarden/config"
)

// Source says how a list is read.
type Source struct {
	// Set is the set or chain whose entries are taken; "" is all.
	Set string
	// For is how long entries last that have no time of their own; 0 is until they are
	// released.
	For time.Duration
}

// Read adds the entries of a list to an import. Its form is recognized line by line:
//
//	add sipban 203.0.113.7 timeout 600      ipset save
//	203.0.113.7 timeout 600                 ipset list, below "Name:" and "Members:"
//	203.0.113.7 timeout 1h expires 59m,     nft list set, within "elements = { … }"
//	ip saddr 203.0.113.7 counter drop       nft list chain
//	-A APIBAN -s 203.0.113.7/32 -j REJECT   iptables -S, iptables-save
//	203.0.113.7,1795143600                  sipban's dump before it used ipset: until when
//	… Blocking 203.0.113.7                  APIBAN's log
//	203.0.113.7 # a remark                  a plain list
//
// The JSON of nft is read, too. What is none of these is skipped, with its line.
func Read(im *takeover.Import, in io.Reader, name string, now time.Time, s Source) error {
	buffered := bufio.NewReader(in)
	if head, _ := buffered.Peek(64); bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && bytes.Contains(head, []byte(`"nftables"`)) {
		return readJSON(im, buffered, now, s)
	}
	r := reader{im: im, name: name, now: now, source: s, wanted: s.Set == ""}
	lines := bufio.NewScanner(buffered)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			r.line(n, text)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if s.Set != "" && !r.found {
		return fmt.Errorf("%s: it has no set or chain %s", name, s.Set)
	}
	return nil
}

// maxLine is the longest line: nft prints a whole set in few.
const maxLine = 16 << 20

// reader is where the reading of a list is.
type reader struct {
	im       *takeover.Import
	name     string
	now      time.Time
	source   Source
	set      string // the current one
	wanted   bool   // its entries are taken
	found    bool
	elements bool // within nft's "elements = {"
	foreign  int  // lines in no known form
}

// The forms of lines.
var (
	ipsetAdd   = regexp.MustCompile(`^add (\S+) (\S+)(.*)$`)
	rule       = regexp.MustCompile(`^-A (\S+) (.*)$`)
	ruleSource = regexp.MustCompile(`(?:^| )-s (\S+)`)
	ruleTarget = regexp.MustCompile(`(?:^| )-j (\S+)`)
	nftRule    = regexp.MustCompile(`^ip6? saddr (\S+) .*\b(?:drop|reject)\b`)
	apibanLog  = regexp.MustCompile(`\b(?:Blocking|Adding) ([0-9a-fA-F.:]+)`)
	dumped     = regexp.MustCompile(`^(\S+),(\d{10})$`)
)

// line takes a line.
func (r *reader) line(n int, text string) {
	if r.nft(text) || r.structure(text) {
		return
	}
	if found := ipsetAdd.FindStringSubmatch(text); found != nil {
		r.begin(found[1])
		r.entry(found[2], found[3])
		return
	}
	if found := rule.FindStringSubmatch(text); found != nil {
		r.begin(found[1])
		r.rule(found[2])
		return
	}
	if found := nftRule.FindStringSubmatch(text); found != nil {
		r.entry(found[1], "")
		return
	}
	if found := dumped.FindStringSubmatch(text); found != nil {
		seconds, _ := strconv.ParseInt(found[2], 10, 64)
		r.add(found[1], time.Unix(seconds, 0))
		return
	}
	if found := apibanLog.FindStringSubmatch(text); found != nil {
		r.entry(found[1], "")
		return
	}
	word, rest, _ := strings.Cut(text, " ")
	if _, err := parse(word); err == nil {
		rest, _, _ = strings.Cut(rest, "#")
		r.entry(word, rest)
		return
	}
	if strings.HasPrefix(text, "#") || strings.HasPrefix(text, ";") {
		return
	}
	if r.foreign++; r.foreign <= maxForeign && r.wanted {
		r.im.Skip(fmt.Sprintf("line %d of %s", n, r.name), fmt.Sprintf("%.80q is no entry of a list in a known form", text))
	}
}

// maxForeign is how many lines in no known form are listed.
const maxForeign = 20

// structure takes the lines of iptables and ipset that are no entries.
func (r *reader) structure(text string) bool {
	key, value, isKey := strings.Cut(text, ": ")
	switch word, rest, _ := strings.Cut(text, " "); {
	case isKey && key == "Name":
		r.begin(value)
		return true
	case word == "create":
		name, kind, _ := strings.Cut(rest, " ")
		r.begin(name)
		if strings.HasPrefix(kind, "list:") {
			r.im.Skip("set "+name, "it lists other sets: import these")
		}
		return true
	case isKey && (key == "Type" || key == "Revision" || key == "Header" || key == "Size in memory" || key == "References" || key == "Number of entries"):
		return true
	case word == "-N": // a chain, perhaps an empty one
		r.begin(rest)
		return true
	case text == "Members:", text == "COMMIT", strings.HasPrefix(text, ":") && strings.HasSuffix(text, "]"), strings.HasPrefix(text, "*"), word == "-P":
		return true
	}
	return false
}

// rule takes a rule of iptables that blocks a source.
func (r *reader) rule(text string) {
	source, target := ruleSource.FindStringSubmatch(text), ruleTarget.FindStringSubmatch(text)
	if source == nil || target == nil || strings.Contains(text, "! -s") {
		return
	}
	switch target[1] {
	case "DROP", "REJECT", "TARPIT":
		r.entry(source[1], "")
	}
}

func (r *reader) begin(set string) {
	r.set = set
	r.wanted = r.source.Set == "" || r.source.Set == set
	r.found = r.found || r.wanted
}

// parse reads an address or a prefix.
func parse(word string) (netip.Prefix, error) { return config.ParsePrefix(strings.Trim(word, `"`)) }

// entry takes an entry with what stands behind it.
func (r *reader) entry(word, rest string) {
	if !r.wanted {
		return
	}
	fields := strings.Fields(rest)
	var until time.Time
	if r.source.For > 0 {
		until = r.now.Add(r.source.For)
	}
	for i, f := range fields {
		switch {
		case f == ".":
			r.im.Skip(word+" "+rest, "its ban covers single ports or pairs of addresses")
			return
		case f == "nomatch":
			r.im.Skip(word, "an exception within the set (nomatch)")
			return
		case i+1 < len(fields) && f == "timeout" && fields[i+1] != "0", i+1 < len(fields) && f == "expires":
			left, ok := lasts(fields[i+1])
			if !ok {
				r.im.Skip(word, fmt.Sprintf("%q is no duration", fields[i+1]))
				return
			}
			until = r.now.Add(left)
		}
	}
	r.add(word, until)
}

// add bans an entry; of "address,proto:port", the address.
func (r *reader) add(word string, until time.Time) {
	if !r.wanted {
		return
	}
	address, _, several := strings.Cut(word, ",")
	prefix, err := parse(address)
	if err != nil {
		from, to, _ := strings.Cut(address, "-")
		list := between(from, to)
		if list == nil {
			r.im.Skip(word, "neither an address nor a prefix")
			return
		}
		for _, p := range list {
			r.im.Ban(p, r.set, r.now, until)
		}
		return
	}
	if several {
		r.im.Skip(word, "its ban covers single ports or pairs of addresses")
		return
	}
	r.im.Ban(prefix, r.set, r.now, until)
}

// lasts reads a duration of ipset, in seconds, or of nft: 1d2h3m4s500ms.
func lasts(text string) (time.Duration, bool) {
	text = strings.Trim(text, ",;")
	if seconds, err := strconv.ParseInt(strings.TrimSuffix(text, "s"), 10, 64); err == nil {
		return time.Duration(min(seconds, 1<<31)) * time.Second, seconds >= 0
	}
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "0", text
	}
	n, err := strconv.Atoi(days)
	if err != nil || n > 100_000 || n < 0 {
		return 0, false
	}
	if rest == "" {
		rest = "0s"
	}
	d, err := time.ParseDuration(rest)
	return d + time.Duration(n)*24*time.Hour, err == nil && d >= 0
}
