package report

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The page in a real browser: it is drawn at the width of a phone and of a desk, and says nothing to the console. Its
// policy forbids every request, and the browser would tell the console of one. With HSECTL_SCREENSHOTS=DIR the pictures are kept, to be looked at.
func TestHTMLInABrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Fatal("there is no chromium: run scripts/chromium")
	}
	dir := t.TempDir()
	pictures := os.Getenv("HSECTL_SCREENSHOTS")
	if pictures == "" {
		pictures = dir
	}
	page, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if err := HTML(page, example()); err != nil {
		t.Fatal(err)
	}
	if err := page.Close(); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]string{"phone": "390,3000", "desk": "1280,2600"} {
		picture := filepath.Join(pictures, "report-"+name+".png")
		command := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--no-first-run", "--no-default-browser-check", "--hide-scrollbars", "--enable-logging=stderr",
			"--user-data-dir="+filepath.Join(dir, name), "--window-size="+size, "--screenshot="+picture, "file://"+page.Name())
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if bytes.Contains(out, []byte("CONSOLE")) {
			t.Errorf("%s: the page speaks to the console:\n%s", name, out)
		}
		if data, err := os.ReadFile(picture); err != nil || len(data) < 20_000 {
			t.Errorf("%s: the picture is empty: %v", name, err)
		}
	}
}
