package config_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollwarden/tollwarden/config"
)

// withLogin fills in what a reference file leaves out.
func withLogin(text string) string {
	text = strings.Replace(text, `username    = "" `, `username    = "u"`, 1)
	return strings.Replace(text, `secret      = "" `, `secret      = "s"`, 1)
}

func parseFile(t *testing.T, path string, change func(string) string) *config.Config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(path, []byte(change(string(data))), config.Env{Getenv: env.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// warned lists warnings as a person sees them.
func warned(c *config.Config) (lines []string) {
	for _, w := range c.Warnings {
		lines = append(lines, w.String())
	}
	return lines
}

var sameConfig = cmp.Options{
	cmpopts.IgnoreFields(config.Config{}, "Warnings"),
	cmpopts.EquateComparable(config.Default().Firewall.Allow[0]),
	sameZone,
}

// An upgrade must not leave a PBX without its daemon: the reference of the first
// release still means what it meant. Names of thresholds and playbooks are the
// site's own, so they stay as written.
func TestOldReference(t *testing.T) {
	got := parseFile(t, "testdata/old-reference.toml", withLogin)
	want := parseFile(t, "reference.toml", withLogin)
	old := map[string]string{
		"long unused extension": "account wakes", "extension under attack": "account under attack", "faster than a person dials": "machine-dialled",
		"limit to known networks": "shelter", "notify only": "tell",
	}
	since := []string{
		"guessing for days", "network guesses for days", "slow distributed attack", "wrong passwords for days", "guessing campaign", "new place after guessing",
		"spends more than usual", "PBX spends more than usual", "budget of the PBX used up", "budget used up", "site spends more than usual", "site's budget used up", "end spending",
		"forbidden destination of the PBX", "toll fraud of the PBX", "end costly calls of the PBX",
		"forward to a costly number", "one number from many extensions", "costly call from a new network", "unanswered costly calls",
	}
	want.Thresholds = slices.DeleteFunc(slices.Clone(want.Thresholds), func(t config.Threshold) bool { return slices.Contains(since, t.Name) })
	for i := range want.Thresholds {
		th := &want.Thresholds[i]
		if name, ok := old[th.Name]; ok {
			th.Name = name
		}
		if name, ok := old[th.Playbook]; ok {
			th.Playbook = name
		}
	}
	want.Playbooks = slices.DeleteFunc(slices.Clone(want.Playbooks), func(b config.Playbook) bool { return slices.Contains(since, b.Name) })
	for i := range want.Playbooks {
		if name, ok := old[want.Playbooks[i].Name]; ok {
			want.Playbooks[i].Name = name
		}
	}
	want.Bans.Spoofable = want.Bans.Spoofable[:1] // one ban time was all there was
	want.Bans.Ladder = want.Bans.Ladder[1:]       // the first was longer
	for i := range want.Thresholds {
		if th := &want.Thresholds[i]; th.Name == "toll fraud" {
			th.Signals["OffHours"] = 3 // and late calls counted more
			for _, signal := range []string{"CostlyForward", "SequentialNumbers", "TestCalls", "EarlyMedia", "CostlyAfterLogin"} {
				delete(th.Signals, signal)
			}
		}
	}
	want.Notify.Subject = "[tollwarden] {{.Title}} ({{.Host}}, incident {{.ID}})" // which a file may keep
	if diff := cmp.Diff(want, got, sameConfig); diff != "" {
		t.Errorf("the old reference means something else (-new +old):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"bans.claimed is now bans.spoofable (line 38): rename it",
		"restrict.claimed is now restrict.trust_spoofable (line 75): rename it",
		"notify.at_once is now notify.burst (line 89): rename it",
		"health.kernel is now health.firewall (line 125): rename it",
		"no [[threshold]] has the signal NewPlaceAfterFailures, so a login from an unknown address after guesses from elsewhere brings nothing before a second sign: copy \"new place after guessing\" from `tollwarden check --reference` (line 208)",
		"no [[threshold]] has the signal SpendingHard, so the limits of [calls.budget] end no calls: copy the six thresholds about spending and the playbook \"end spending\" from `tollwarden check --reference` (line 224)",
		`step "expire-contacts" is now "remove-registrations" (line 276): rename it`,
	}, warned(got)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if len(want.Warnings) > 0 {
		t.Errorf("the reference has old names: %v", warned(want))
	}
}

// A site's own file works as before, wherever TOML lets its keys stand.
func TestOldRules(t *testing.T) {
	rename := strings.NewReplacer("at_once", "burst", "claimed = true", "trust_spoofable = true", "claimed", "spoofable", "kernel", "firewall", "expire-contacts", "remove-registrations")
	got := parseFile(t, "testdata/old-rules.toml", strings.Clone)
	want := parseFile(t, "testdata/old-rules.toml", rename.Replace)
	if diff := cmp.Diff(want, got, sameConfig); diff != "" {
		t.Errorf("the old names mean something else (-new +old):\n%s", diff)
	}
	if got.Notify.Burst != 7 || !got.Restrict.TrustSpoofable || slices.Equal(got.Bans.Spoofable, config.Default().Bans.Spoofable) {
		t.Errorf("old keys were not read: %+v", got)
	}
	if diff := cmp.Diff([]string{
		"notify.at_once is now notify.burst (line 3): rename it",
		"restrict.claimed is now restrict.trust_spoofable (line 4): rename it",
		"bans.claimed is now bans.spoofable (line 11): rename it",
		"health.kernel is now health.firewall (line 14): rename it",
		`step "expire-contacts" is now "remove-registrations" (line 22): rename it`,
		`step "expire-contacts" is now "remove-registrations" (line 26): rename it`,
	}, warned(got)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if len(want.Warnings) > 0 {
		t.Errorf("new names are warned about: %v", warned(want))
	}
}

func TestMistakesWithOldNames(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"both keys":        {"[bans]\nspoofable = \"5m\"\nclaimed = \"5m\"\n", "t.toml:6: bans.claimed: bans.spoofable is its new name, and is set too (line 5): remove one of them"},
		"in other case":    {"[Bans]\nspoofable = \"5m\"\nClaimed = \"5m\"\n", "t.toml:6: bans.claimed: bans.spoofable is its new name, and is set too (line 5): remove one of them"},
		"both steps":       {"[[playbook]]\nname = \"p\"\nsteps = [\"remove-registrations\", \"expire-contacts\"]\n", `t.toml:6: playbook[0].steps: "remove-registrations" appears twice: "expire-contacts" is its old name`},
		"a bad value":      {"[notify]\nat_once = 0\n", "t.toml:5: notify.at_once: 0: want 1 to 1000"},
		"a bad type":       {"[restrict]\nclaimed = \"yes\"\n", "t.toml:5: restrict.claimed: want true or false, not text in quotes"},
		"in another table": {"[restrict]\nspoofable = true\n", "t.toml:5: restrict.spoofable: unknown key"},
		"an old step":      {"[[playbook]]\nname = \"p\"\nsteps = [\"expire-contact\"]\n", `t.toml:6: playbook[0].steps: "expire-contact": want some of ban, rotate, remove-registrations,`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("t.toml", []byte(login+tc.text), env)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

// Thresholds from before the signal of a break-in was split in two are warned about, on the
// line of the first of them.
func TestThresholdsBeforeProbation(t *testing.T) {
	threshold := func(signals string) string {
		return "[[threshold]]\nname = \"" + signals[:3] + "\"\nper = \"account\"\nsignals = { " + signals + " = 1 }\nscore = 1\nwithin = \"1h\"\nplaybook = \"p\"\n"
	}
	const book = "[[playbook]]\nname = \"p\"\nsteps = [\"notify\"]\n"
	for name, tc := range map[string]struct {
		text string
		want int
	}{
		"the built-in set":          {"", 0},
		"without either":            {threshold("InvalidPassword") + book, 0},
		"from before":               {threshold("SuccessAfterFailures") + book, 1},
		"with both, in any order":   {threshold("NewPlaceAfterFailures") + threshold("SuccessAfterFailures") + book, 0},
		"from before, among others": {threshold("InvalidPassword") + threshold("SuccessAfterFailures") + book, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Parse("t.toml", []byte(login+tc.text), config.Env{})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) != tc.want {
				t.Errorf("warnings %v", warned(c))
			}
			for _, w := range c.Warnings {
				if s := w.String(); !strings.Contains(s, "NewPlaceAfterFailures") || !strings.Contains(s, "(line ") {
					t.Errorf("warning %q", s)
				}
			}
		})
	}
}
