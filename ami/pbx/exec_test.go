package pbx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func hook(t *testing.T, script string) Hook {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return Hook{Command: []string{path, "first argument"}}
}

func TestHookGetsAccountAndSecretOnStdin(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := hook(t, `{ cat; echo "$1"; env | grep -v ^PATH= | grep -v ^PWD= | grep -v ^SHLVL= | grep -v ^_=; } > `+out+`; true`)
	t.Setenv("TOLLWARDEN_AMI_SECRET", "must not be seen")
	if err := h.run(t.Context(), "1002", "s3cret"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if want := `{"account":"1002","secret":"s3cret"}` + "\nfirst argument\n"; err != nil || string(got) != want {
		t.Errorf("the hook saw %q, %v; want %q", got, err, want)
	}
}

func TestHookErrorsTellWhatItSaidButNotTheSecret(t *testing.T) {
	err := hook(t, `read line; echo "cannot set $line" >&2; exit 3`).run(t.Context(), "1002", "s3cret")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "cannot set") || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
	err = hook(t, `yes | head -c 1000000; exit 1`).run(t.Context(), "1002", "s3cret")
	if err == nil || len(err.Error()) > 2000 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

func TestHookIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()                 // it mostly waits
	const work = 3 * time.Second // long enough for a busy machine to kill it meanwhile
	mark := filepath.Join(t.TempDir(), "mark")
	h := hook(t, `(sleep 3; touch `+mark+`) & wait`)
	h.Timeout = 100 * time.Millisecond
	start := time.Now()
	err := h.run(t.Context(), "1002", "s3cret")
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if took := time.Since(start); took > work-100*time.Millisecond {
		t.Errorf("took %v", took)
	}
	time.Sleep(work + 300*time.Millisecond - time.Since(start))
	if _, err := os.Stat(mark); err == nil {
		t.Error("a child of the hook lived on")
	}
}

func TestHookThatIsNotThere(t *testing.T) {
	if err := (Hook{Command: []string{"/nonexistent/hook"}}).run(t.Context(), "1002", "s"); err == nil {
		t.Error("no error")
	}
}
