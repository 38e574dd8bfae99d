package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Lists show an account with its person's name; JSON has it beside the account.
func TestListsShowNames(t *testing.T) {
	key := score.Key{Per: score.PerAccount, Account: "1006"}
	i := incident.Incident{ID: 1, Key: key, Account: "1006", Name: "Front desk"}
	if got := who(&i); got != "extension 1006 Front desk" {
		t.Errorf("incident: %q", got)
	}
	i.Key = score.Key{Per: score.PerSite}
	if got := who(&i); got != "the whole site" {
		t.Errorf("incident of the site: %q", got)
	}
	var b bytes.Buffer
	printScores(&b, score.PerAccount, []control.ScoreStatus{{Key: key, Name: "Front\x1b desk", Scores: []control.Score{{Threshold: "x", Score: 1}}}}, false)
	printSpending(&b, control.Spending{List: []control.Spender{{Kind: "account", Name: "1006", Person: "Front desk", Other: &control.Spent{}}}, Blocked: []control.Blocking{{Account: "1006", Name: "Front desk"}}})
	for _, want := range []string{`1006 Front\x1b desk`, "1006 Front desk", "1006 Front desk has used up", "`tollwarden unlock 1006`"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	text, err := json.Marshal(i)
	if err != nil || !strings.Contains(string(text), `"account":"1006","name":"Front desk"`) {
		t.Errorf("%s, %v", text, err)
	}
}
