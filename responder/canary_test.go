package responder_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/intake"
)

// manager is a security event of a login to the manager interface.
func manager(event, account string) []byte {
	extra := ""
	if event == "SuccessfulAuth" {
		extra = "UsingPassword: 1\r\n"
	}
	text := security(event, account, "0x7f0000000001", "198.51.100.77", extra)
	text = strings.Replace(text, "Service: PJSIP", "Service: AMI", 1)
	return []byte(strings.ReplaceAll(text, "IPV4/UDP/", "IPV4/TCP/"))
}

// A canary that Asterisk raised is heard, and no score counts it: not even one
// that comes late, nor one that comes a hundred times.
func TestCanaryIsHeardAndNotScored(t *testing.T) {
	h := newHarness(t, guessing(3))
	late, _ := h.Canary()
	name, heard := h.Canary()
	if !strings.HasPrefix(late, intake.CanaryName) || late == name {
		t.Fatalf("names %q, %q", late, name)
	}
	for range 100 {
		h.hear(t, noon, manager("InvalidAccountID", late))
	}
	select {
	case <-heard:
		t.Fatal("a late canary was taken for the present one")
	default:
	}
	h.hear(t, noon, manager("InvalidAccountID", name))
	select {
	case <-heard:
	default:
		t.Fatal("the canary was not heard")
	}
	if c := h.Counters(); c.Observations != 0 || c.Incidents != 0 {
		t.Errorf("canaries were scored: %+v", c)
	}
	if h.CanaryHeard(intake.SensorAMI).IsZero() || !h.CanaryHeard(intake.SensorLog).IsZero() {
		t.Error("the wrong sensor heard it")
	}
}

// Nobody hides behind the name: what was not made up here is scored.
func TestFalseCanaryIsScored(t *testing.T) {
	h := newHarness(t, guessing(3))
	_, heard := h.Canary()
	for i := range 5 {
		h.hear(t, noon, manager("InvalidAccountID", fmt.Sprintf("%sGUESS%d", intake.CanaryName, i)))
	}
	select {
	case <-heard:
		t.Error("a forged canary was believed")
	default:
	}
	if c := h.Counters(); c.Observations == 0 {
		t.Error("forged canaries were not scored")
	}
}

// Our own login is a canary, too; an attacker's is none.
func TestOwnLoginIsACanary(t *testing.T) {
	h := newHarness(t, guessing(3))
	heard := h.OwnCanary()
	h.hear(t, noon, manager("SuccessfulAuth", "somebody"))
	select {
	case <-heard:
		t.Fatal("another's login was taken for ours")
	default:
	}
	h.hear(t, noon, manager("SuccessfulAuth", "warden"))
	select {
	case <-heard:
	default:
		t.Error("our own login was not heard")
	}
}
