package report_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// frame shows the page in the width of a phone and reports the width it needs.
const frame = `<!doctype html><title>?</title><iframe src="page.html" style="width:360px;height:800px;border:0"></iframe>
<script>onload = () => { const d = document.querySelector("iframe").contentDocument; document.title = "wide " + d.documentElement.scrollWidth }</script>`

// In a browser, the page logs nothing to the console, no injected script runs,
// it fits a phone's screen, and it can be printed.
func TestPageInABrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium (apt-get install chromium)")
	}
	for name, i := range map[string]string{"break-in": page(t, breakIn()), "hostile": page(t, hostile())} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"page.html": i, "frame.html": frame} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			browse := func(args ...string) string {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
				defer cancel()
				args = append([]string{
					"--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--enable-logging=stderr", "--user-data-dir=" + filepath.Join(dir, "profile"),
				}, args...)
				out, err := exec.CommandContext(ctx, chromium, args...).CombinedOutput()
				if err != nil {
					t.Fatalf("chromium: %v\n%s", err, out)
				}
				if strings.Contains(string(out), ":CONSOLE") {
					t.Errorf("console output:\n%s", out)
				}
				return string(out)
			}
			out := browse("--dump-dom", "--virtual-time-budget=2000", "file://"+filepath.Join(dir, "frame.html"))
			said := regexp.MustCompile(`<title>wide (\d+)</title>`).FindStringSubmatch(out)
			if said == nil {
				t.Fatalf("the frame did not report the page's width:\n%s", out)
			}
			if wide, _ := strconv.Atoi(said[1]); wide > 360 {
				t.Errorf("the page needs %d pixels on a screen of 360", wide)
			}
			pdf := filepath.Join(dir, "page.pdf")
			browse("--print-to-pdf="+pdf, "--no-pdf-header-footer", "file://"+filepath.Join(dir, "page.html"))
			if info, err := os.Stat(pdf); err != nil || info.Size() < 1000 {
				t.Errorf("printing: %v, %v", info, err)
			}
		})
	}
}
