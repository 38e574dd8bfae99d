package settings

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// certificate writes a certificate in PEM form.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return path
}

func TestDialer(t *testing.T) {
	cfg := config.Default()
	cfg.Asterisk.Username, cfg.Asterisk.Secret = "u", "s"
	d, err := Dialer(cfg, zerolog.Nop())
	if err != nil || d.TLS != nil || d.Username != "u" || d.Secret != "s" || d.Address != cfg.Asterisk.Address || d.Events != "" {
		t.Errorf("%+v, %v", d, err)
	}
	cfg.Asterisk.TLS, cfg.Asterisk.TLSName = true, "pbx.example"
	if d, err = Dialer(cfg, zerolog.Nop()); err != nil || d.TLS.ServerName != "pbx.example" || d.TLS.RootCAs != nil {
		t.Errorf("the system's authorities: %+v, %v", d, err)
	}
	cfg.Asterisk.TLSCA = certificate(t)
	if d, err = Dialer(cfg, zerolog.Nop()); err != nil || d.TLS.RootCAs == nil {
		t.Errorf("an own authority: %+v, %v", d, err)
	}
	writeFile(t, cfg.Asterisk.TLSCA, "no certificate")
	if _, err = Dialer(cfg, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "asterisk.tls_ca: ") {
		t.Errorf("no certificate: %v", err)
	}
}

func TestReceivers(t *testing.T) {
	n := config.Default().Notify
	names := func() string {
		t.Helper()
		r, err := Receivers(&n)
		if err != nil {
			return err.Error()
		}
		var list []string
		for to := range r.Each {
			list = append(list, to.Name())
		}
		return strings.Join(list, "; ")
	}
	if got := names(); got != "" {
		t.Errorf("nobody: %s", got)
	}
	n.Webhook, n.Syslog = "https://example.org/hook", "/dev/log"
	n.Mail = config.Mail{Server: "localhost:25", From: "a@example.org", To: []string{"b@example.org"}, CA: certificate(t)}
	for _, want := range []string{"webhook", "e-mail b@example.org", "syslog /dev/log"} {
		if got := names(); !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	n.Mail.CA = "/nowhere.pem"
	if got := names(); !strings.Contains(got, "notify.mail.ca") {
		t.Errorf("no certificate: %s", got)
	}
}

// The manager interface is never banned, nor listed twice.
func TestAllow(t *testing.T) {
	for _, tt := range []struct{ address, allow, want string }{
		{"192.0.2.1:5038", "", "[192.0.2.1/32]"},
		{"192.0.2.1:5038", "192.0.2.0/24", "[192.0.2.0/24]"},
		{"[::ffff:192.0.2.1]:5038", "198.51.100.7/32", "[198.51.100.7/32 192.0.2.1/32]"},
		{"pbx.example:5038", "", "[]"},
		{"pbx.example:5038", "8.0.0.0/8", "[]"},
		{"pbx.example:5038", "8.0.0.0/8 force", "[8.0.0.0/8]"},
		{"pbx.example:5038", "198.51.100.7 until 2020-01-01", "[]"},
		{"pbx.example:5038", "office.example.org", "[]"},
	} {
		cfg := config.Default()
		cfg.Asterisk.Address, cfg.Firewall.Allow = tt.address, nil
		if tt.allow != "" {
			item, err := config.ParseAllow(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Firewall.Allow = append(cfg.Firewall.Allow, item)
		}
		if got := fmt.Sprint(Allow(cfg)); got != tt.want || fmt.Sprint(Firewall(cfg).Allow) != tt.want {
			t.Errorf("%s beside %s: %s, want %s", tt.address, tt.allow, got, tt.want)
		}
	}
}

// The built-in configuration is a policy, with each of its steps.
func TestPolicy(t *testing.T) {
	cfg := config.Default()
	p, err := Policy(cfg)
	if err != nil || len(p.Thresholds) != len(cfg.Thresholds) || !p.NoReceiver || p.Observe || p.Command != "" {
		t.Fatalf("%+v, %v", p, err)
	}
	var steps []string
	for _, step := range StepsInUse(cfg) {
		steps = append(steps, string(step))
	}
	if got := strings.Join(steps, " "); !strings.Contains(got, "ban") || !strings.Contains(got, string(incident.StepRemoveRegistrations)) {
		t.Errorf("steps in use: %s", got)
	}
	cfg.Mode, cfg.Exec.Command = config.Observe, []string{"/bin/hook", "--token", "secret"}
	if p, err = Policy(cfg); err != nil || !p.Observe || p.Command != "/bin/hook" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, spoil := range map[string]func(*config.Threshold){
		"per":    func(t *config.Threshold) { t.Per = "planet" },
		"signal": func(t *config.Threshold) { t.Signals = map[string]int{"Nonsense": 1} },
	} {
		cfg := config.Default()
		cfg.Thresholds = append([]config.Threshold{}, cfg.Thresholds...)
		spoil(&cfg.Thresholds[0])
		if _, err := Policy(cfg); err == nil || !strings.Contains(err.Error(), cfg.Thresholds[0].Name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(Signals()) == 0 || len(Signals()) > len(score.Signals()) {
		t.Errorf("signals: %v", Signals())
	}
}
