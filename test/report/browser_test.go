//go:build browser

// Package report opens the HTML report in a browser, for which it needs the driver of one.
package report

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserTimeout bounds the life of a browser, which starts slowly on a busy machine.
const browserTimeout = 2 * time.Minute

// browserDir is a directory for what a browser keeps. Its children may still write there when it has ended, so that
// its removal cannot be guaranteed.
func browserDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hsectl-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// The golden page in a real browser: nothing is asked of any network, nothing is said to the console, everything that can be
// reached or seen has a name for those who hear it, and nothing sticks out at the width of a phone. With
// HSECTL_SCREENSHOTS=DIR the pictures are kept, to be looked at.
func TestHTMLInABrowser(t *testing.T) {
	path, err := filepath.Abs("../../internal/report/testdata/example.html")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
	defer cancel()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(browserDir(t)))
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	heard := listen(ctx, "file://"+path)
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()); err != nil {
		t.Fatalf("%v\nthe test of the HTML report needs a browser: run scripts/chromium", err)
	}
	for _, view := range []struct {
		name   string
		width  int64
		dark   bool
		phone  bool
		height int64
	}{{"phone", 390, false, true, 844}, {"phone-dark", 390, true, true, 844}, {"desk", 1280, false, false, 900}, {"desk-dark", 1280, true, false, 900}} {
		t.Run(view.name, func(t *testing.T) {
			scheme := map[bool]string{true: "dark", false: "light"}[view.dark]
			var picture []byte
			var wide int64
			var tree heardTree
			err := chromedp.Run(ctx,
				emulation.SetDeviceMetricsOverride(view.width, view.height, 1, view.phone),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.Navigate("file://"+path),
				chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide),
				chromedp.ActionFunc(func(ctx context.Context) error {
					return cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &tree)
				}),
				chromedp.FullScreenshot(&picture, 100),
			)
			if err != nil {
				t.Fatal(err)
			}
			if wide > view.width {
				t.Errorf("the page is %d wide on a screen of %d", wide, view.width)
			}
			named(t, tree)
			if len(picture) < 20_000 {
				t.Errorf("the picture has %d bytes", len(picture))
			}
			if dir := os.Getenv("HSECTL_SCREENSHOTS"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, "report-"+view.name+".png"), picture, 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, line := range heard() {
		t.Error(line)
	}
}

// listen notes every request but that for the page itself, and every word to the console.
func listen(ctx context.Context, page string) func() []string {
	var mu sync.Mutex
	var out []string
	note := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		out = append(out, line)
	}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if e.Request.URL != page {
				note("the page asks for " + e.Request.URL)
			}
		case *log.EventEntryAdded:
			note("the browser says: " + e.Entry.Text)
		case *runtime.EventConsoleAPICalled:
			note("the page speaks to the console")
		case *runtime.EventExceptionThrown:
			note("the page fails: " + e.ExceptionDetails.Text)
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(out)
	}
}

// heardTree is the part of the accessibility tree that is looked at. The library's own type refuses words of newer browsers.
type heardTree struct {
	Nodes []struct {
		Ignored bool `json:"ignored"`
		Role    said `json:"role"`
		Name    said `json:"name"`
	} `json:"nodes"`
}

type said struct {
	Value any `json:"value"`
}

// named wants a name for everything that a screen reader stops at.
func named(t *testing.T, tree heardTree) {
	t.Helper()
	spoken := strings.Fields("link button heading image img table region figure textbox checkbox DisclosureTriangle graphics-document")
	seen := map[string]int{}
	for _, n := range tree.Nodes {
		role, _ := n.Role.Value.(string)
		if n.Ignored || !slices.Contains(spoken, role) {
			continue
		}
		seen[role]++
		if name, _ := n.Name.Value.(string); strings.TrimSpace(name) == "" {
			t.Errorf("a %s has no name", role)
		}
	}
	if seen["heading"] < 5 || seen["link"] < 2 || seen["image"]+seen["img"] < 2 || seen["table"] < 2 {
		t.Errorf("the page has only %v", seen)
	}
}
