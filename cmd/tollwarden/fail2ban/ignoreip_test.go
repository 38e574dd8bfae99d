package fail2ban

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/takeover"
)

// A site's file: all that fail2ban would exempt is allowed, and what is not is named with
// the reason.
func TestSite(t *testing.T) {
	im := read(t, Source{DB: database(t), IgnoreIP: []string{"testdata/site.local"}})
	if got, want := list(im), "allow 127.0.0.0/8, allow 192.0.2.77, allow 198.51.100.0/24, allow 198.51.101.7, allow 198.51.101.8, allow 2001:db8:5::/48, allow ::1, allow office.example.org, "+
		"skip 0.0.0.0/0, skip 203.0.113.5-203.0.113.9, skip 203.0.113.5-203.0.113.9"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	for what, want := range map[string]string{
		"0.0.0.0/0":               "allows everybody",
		"203.0.113.5-203.0.113.9": "fail2ban reads no ranges, and took it for a host name: allow it by tollwarden allow add, as 203.0.113.5/32, 203.0.113.6/31, 203.0.113.8/31",
	} {
		i := slices.IndexFunc(im.Skipped, func(s takeover.Skipped) bool { return s.What == what })
		if i < 0 || !strings.Contains(im.Skipped[i].Why, want) {
			t.Errorf("%s: %+v", what, im.Skipped)
		}
	}
}

func TestEntries(t *testing.T) {
	for word, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.77/24": "192.0.2.0/24", "198.51.100.0/255.255.255.0": "198.51.100.0/24", "2001:db8::/ffff:ffff::": "2001:db8::/32", "[2001:db8::1]": "2001:db8::1",
		"::ffff:192.0.2.1": "192.0.2.1", "Office.Example.org": "office.example.org",
		"198.51.100.0/255.0.255.0": "its mask is none", "192.0.2.0/33": "neither", "localhost": "neither", "%(office)s": "refers to an option", "192.0.2.1-": "neither",
		"203.0.113.0-203.0.113.255": "as 203.0.113.0/24", "2001:db8::-2001:db8::3": "as 2001:db8::/126", "192.0.2.9-192.0.2.1": "no ranges", "0.0.0.0-255.255.255.255": "as 0.0.0.0/0",
	} {
		item, why := entry(word)
		if got := item.What(); why == "" && got != want || why != "" && !strings.Contains(why, want) {
			t.Errorf("%s: %s, %q, want %s", word, got, why, want)
		}
	}
}

// The bans of jails that cover Asterisk's ports are taken, those of others named.
func TestWhichJails(t *testing.T) {
	dir := folder(t, map[string]string{
		"jail.conf": "[DEFAULT]\nport = 0:65535\nbanaction = iptables-multiport\nbanaction_allports = iptables-allports\naction = %(banaction)s[port=\"%(port)s\"]\nignoreip = file:///nowhere file:%(fail2ban_confpath)s/offices\n" +
			"[sshd]\nport = ssh\n[asterisk]\nport = 5060,5061\n[pbx-scan]\nport = 5000-5070\n[recidive]\nport = ssh\nbanaction = %(banaction_allports)s\n[http]\nport = http,https\n[iax]\nport = 4569\n[all]\n[names]\nport = sip,sip-tls\n",
		"offices": "198.51.100.7 # one\n; 198.51.100.8\n198.51.100.9, 0.0.0.0/0\n",
	})
	db := database(t, [3]any{"sshd", "192.0.2.1", 3600}, [3]any{"sshd", "192.0.2.2", 3600}, [3]any{"asterisk", "192.0.2.3", 3600}, [3]any{"pbx-scan", "192.0.2.4", 3600}, [3]any{"recidive", "192.0.2.5", 3600},
		[3]any{"http", "192.0.2.6", 3600}, [3]any{"iax", "192.0.2.7", 3600}, [3]any{"all", "192.0.2.8", 3600}, [3]any{"names", "192.0.2.9", 3600}, [3]any{"gone", "192.0.2.10", 3600}, [3]any{"asterisk", "0.0.0.0/0", 3600})
	im := read(t, Source{DB: db, Folder: dir})
	var jails []string
	for _, b := range im.Bans {
		jails = append(jails, b.Jail)
	}
	slices.Sort(jails)
	if got := strings.Join(jails, " "); got != "all asterisk gone iax names pbx-scan recidive" {
		t.Errorf("bans of %s", got)
	}
	var skipped []string
	for _, s := range im.Skipped {
		skipped = append(skipped, s.What+": "+s.Why)
	}
	text := strings.Join(skipped, "\n")
	for _, want := range []string{"2 bans of jail sshd: it covers the ports ssh, none of Asterisk's: --jail sshd imports them", "1 ban of jail http", "file:/nowhere: open /nowhere", "0.0.0.0/0: this bans everybody", "0.0.0.0/0: this allows everybody"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if got := fmt.Sprint(im.Allowed); got != "[198.51.100.7 198.51.100.9]" {
		t.Errorf("allowed %s", got)
	}
}

// What fail2ban cannot read stops the import, with the place.
func TestUnreadable(t *testing.T) {
	_, err := Read(t.Context(), noon, Source{DB: database(t), Folder: folder(t, map[string]string{"jail.local": "[asterisk]\nignoreip = 192.0.2.1\nignoreip = 192.0.2.2\n"})})
	if err == nil || !strings.Contains(err.Error(), `jail.local: fail2ban cannot read it, either: line 3: option "ignoreip" is in [asterisk] twice`) {
		t.Error(err)
	}
}

// No file makes the reader panic or hang, and none allows everybody.
func FuzzConfiguration(f *testing.F) {
	for _, files := range configurations {
		for _, text := range files {
			f.Add(text, "[DEFAULT]\nignoreip = 192.0.2.1\n")
		}
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		c := &configuration{defaults: section{}, sections: map[string]section{}, known: map[string]section{}}
		for _, text := range []string{first, second} {
			file, err := parseFile(strings.ReplaceAll(text, "file:", ""))
			if err != nil {
				continue
			}
			_, _, _ = file.includes()
			c.merge(file)
		}
		im := takeover.New("fail2ban", "", noon, nil)
		readIgnored(im, c, Source{})
		for _, item := range im.Allowed {
			if item.Name == "" && (!item.Prefix.IsValid() || item.Prefix.Bits() == 0 || item.Refused() != "") {
				t.Fatalf("allowed %v", item)
			}
		}
	})
}
