package fail2ban

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
	"github.com/tollwarden/tollwarden/config"
)

// readIgnored takes the ignoreip of [DEFAULT], and of the jails that are imported or, if
// all are, of those about Asterisk, also if they are switched off. Another jail's
// exceptions have no meaning for a PBX.
func readIgnored(im *takeover.Import, c *configuration, s Source) {
	for _, why := range c.unread {
		im.Skip(why, "fail2ban does without it, too")
	}
	site := jail{name: defaultSection}
	site.ignore, _, site.wrong = c.get(defaultSection, "ignoreip")
	for _, j := range append([]jail{site}, c.jails()...) {
		wanted := j.name == defaultSection || slices.Contains(s.Jails, j.name) || len(s.Jails) == 0 && j.aboutAsterisk()
		if !wanted {
			continue
		}
		if j.wrong != nil && !strings.Contains(j.wrong.Error(), "names no option") {
			im.Skip("ignoreip of "+j.name, j.wrong.Error()+": fail2ban does not start with it; what it refers to is left out")
		}
		for line := range strings.SplitSeq(j.ignore, "\n") {
			takeLine(im, line, s.Force)
		}
	}
}

// takeLine takes the addresses of a line. fail2ban knows no comments in values, so what is
// behind a # counts as well, if it is an address.
func takeLine(im *takeover.Import, line string, force bool) {
	remark := false
	for word := range strings.FieldsFuncSeq(line, isSeparator) {
		if remark = remark || strings.HasPrefix(word, "#"); remark {
			if word = strings.TrimPrefix(word, "#"); !looksLikeAddress(word) {
				continue
			}
		}
		if path, ok := fileNamed(word); ok {
			takeFile(im, path, force)
			continue
		}
		take(im, word, force)
	}
}

// take takes one entry of ignoreip, or names it with the reason why not.
func take(im *takeover.Import, word string, force bool) {
	item, why := entry(word)
	if why != "" {
		im.Skip(word, "in ignoreip, but "+why)
		return
	}
	im.Allow(item, force)
}

// entry reads an entry of ignoreip as fail2ban does (server/ipdns.py IPAddr).
func entry(word string) (item config.AllowItem, why string) {
	if len(word) > 2 && word[0] == '[' && word[len(word)-1] == ']' {
		word = word[1 : len(word)-1]
	}
	if address, mask, ok := strings.Cut(word, "/"); ok && strings.ContainsAny(mask, ".:") {
		bits, ok := maskBits(mask)
		if !ok {
			return item, "its mask is none"
		}
		word = fmt.Sprintf("%s/%d", address, bits)
	}
	if strings.HasPrefix(word, "%(") {
		return item, "it refers to an option that there is not"
	}
	if first, last, ok := strings.Cut(word, "-"); ok {
		from, err1 := netip.ParseAddr(first)
		to, err2 := netip.ParseAddr(last)
		if err1 == nil && err2 == nil {
			return item, "fail2ban reads no ranges, and took it for a host name" + inPrefixes(from, to)
		}
	}
	item, err := config.ParseAllow(word)
	if err != nil {
		return item, "neither an address nor a host name"
	}
	return item, ""
}

// maskBits is how many ones a mask such as 255.255.255.0 has; ok is false if others follow
// its zeros.
func maskBits(mask string) (ones int, ok bool) {
	addr, err := netip.ParseAddr(mask)
	if err != nil {
		return 0, false
	}
	ones, size := net.IPMask(addr.AsSlice()).Size()
	return ones, size > 0
}

// maxAdvised is how many prefixes are proposed instead of a range.
const maxAdvised = 8

// inPrefixes proposes prefixes for a range.
func inPrefixes(from, to netip.Addr) string {
	list := takeover.Prefixes(from, to, maxAdvised)
	if len(list) == 0 {
		return ""
	}
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return ": allow it by tollwarden allow add, as " + strings.Join(words, ", ")
}

func looksLikeAddress(word string) bool {
	item, why := entry(word)
	return why == "" && item.Name == ""
}

// fileNamed is the file that an entry names, as fail2ban from 1.1.1 on reads it: file:/path,
// file:///path or file:path (FileIPAddrSet.RE_FILE_IGN_IP).
func fileNamed(word string) (path string, ok bool) {
	path, ok = strings.CutPrefix(word, "file:")
	if !ok {
		return "", false
	}
	if strings.HasPrefix(path, "//") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	return path, path != ""
}

// remarks are comments in such a file (helpers.py RE_REM_COMMENTS).
var remarks = regexp.MustCompile(`(?m)(?:^|\s)[#;].*`)

// takeFile takes the entries of a file.
func takeFile(im *takeover.Import, path string, force bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		im.Skip("file:"+path, err.Error())
		return
	}
	for word := range strings.FieldsFuncSeq(remarks.ReplaceAllString(string(text), ""), isSeparator) {
		take(im, word, force)
	}
}

// configurationOf reads the files of the source, or the folder, if it is there.
func configurationOf(s Source) (*configuration, error) {
	dir := cmp.Or(s.Folder, DefaultFolder)
	if s.IgnoreIP == nil {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && s.Folder == "" {
			return readFiles(dir, nil)
		} else if err != nil {
			return nil, fmt.Errorf("ignoreip: %w", err)
		}
		c, err := readFolder(dir)
		if err != nil {
			return nil, fmt.Errorf("ignoreip: %w", err)
		}
		return c, nil
	}
	for _, path := range s.IgnoreIP {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("ignoreip: %w", err)
		}
	}
	c, err := readFiles(filepath.Dir(append(s.IgnoreIP, dir)[0]), s.IgnoreIP)
	if err != nil {
		return nil, fmt.Errorf("ignoreip: %w", err)
	}
	return c, nil
}
