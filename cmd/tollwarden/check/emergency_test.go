package check

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// It is said, once, if a locked extension could not call for help, and if a limited one could
// not from elsewhere.
func TestHelp(t *testing.T) {
	restricting, err := config.Parse("tollwarden.toml", []byte("[asterisk]\nusername = \"x\"\nsecret = \"y\"\n"), config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	lacks := []pbx.Lack{
		{Step: incident.StepRotate, Action: "DBPut", Classes: []string{"system"}},
		{Step: incident.StepLock, Action: "UpdateConfig", Classes: []string{"config"}},
		{Step: incident.StepLock, Action: "DBPut", Classes: []string{"system"}},
		{Step: incident.StepLock, Action: "DialplanExtensionAdd", Classes: []string{"system"}},
	}
	for name, c := range map[string]struct {
		lacks []pbx.Lack
		cfg   *config.Config
		want  []string
	}{
		"all is well":             {nil, &config.Config{}, nil},
		"other steps cannot work": {lacks[:2], &config.Config{}, nil},
		"a locked one":            {lacks, &config.Config{}, []string{"a locked extension could not call emergency numbers", "add system to write=", "fix: sed -i"}},
		"a limited one":           {nil, restricting, []string{"limited to its known networks (restrict) can call emergency numbers from these alone"}},
	} {
		out := text(help(c.cfg, c.lacks))
		for _, want := range c.want {
			if strings.Count(out, want) != 1 {
				t.Errorf("%s: %q is not there once: %s", name, want, out)
			}
		}
		if c.want == nil && out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}
