package config_test

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
)

func TestBudget(t *testing.T) {
	c, err := config.Parse("t.toml", []byte(login+`
[calls.budget]
minutes  = [60, 0]
site     = { minutes = [0, 0] }
currency = "GBP"
[[calls.group]]
name     = "sales"
accounts = ["2*"]
budget   = { minutes = [120, 240] }
[[calls.group]]
name     = "lobby"
accounts = ["1000"]
budget   = { money = [1, 2] }
`), env)
	if err != nil {
		t.Fatal(err)
	}
	d, b := config.Default().Calls.Budget, c.Calls.Budget
	if b.Minutes != [2]int{60, 0} || b.OffHours != d.OffHours || b.Site.Minutes != [2]int{} || b.Site.OffHours != d.Site.OffHours || b.Currency != "GBP" {
		t.Errorf("%+v", b)
	}
	sales, lobby := c.Calls.Groups[0].Budget, c.Calls.Groups[1].Budget
	if sales.Minutes != [2]int{120, 240} || sales.Money != d.Money || lobby.Minutes != [2]int{60, 0} || lobby.Money != [2]int{1, 2} {
		t.Errorf("groups %+v, %+v", sales, lobby)
	}
}

func TestMistakesInBudgets(t *testing.T) {
	for text, want := range map[string]string{
		"minutes = [50, 30]":              "t.toml:5: calls.budget.minutes: [50 30]: want the soft limit first, at most as high as the hard one",
		"minutes = [50]":                  "t.toml:5: calls.budget.minutes: [50]: want a soft and a hard limit, such as [30, 50]; 0 is none",
		"minutes = [-1, 5]":               "calls.budget.minutes: -1: want 0 (no limit) to 1000000",
		"site = { money = [1, 2000000] }": "calls.budget.site.money: 2000000: want 0 (no limit) to 1000000",
		"usual = [2, 1000]":               "calls.budget.usual: 1000: want 0 (no limit) to 100",
		"block = \"90d\"":                 "calls.budget.block",
		"currency = \"euro\"":             "calls.budget.currency: \"euro\": want three capital letters",
		"minute = [1, 2]":                 "calls.budget.minute: unknown key: did you mean calls.budget.minutes?",
	} {
		_, err := config.Parse("t.toml", []byte(login+"[calls.budget]\n"+text+"\n"), env)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got  %v\nwant %s", text, err, want)
		}
	}
}
