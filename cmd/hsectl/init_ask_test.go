//go:build !race

// These conversations run in the unit tier and not under the race detector: github.com/muesli/cancelreader v0.2.2, which reads
// the terminal for bubbletea, closes its epoll descriptor while its own reader may still ask for it. No value of ours is involved.

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/hsectl/hsectl/internal/app"
)

// conversation is a terminal with hsectl init on it.
type conversation struct {
	t      *testing.T
	master *os.File
	shown  chan string
	seen   strings.Builder
	code   chan int
}

func converse(t *testing.T, args ...string) *conversation {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 40, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	c := &conversation{t: t, master: master, shown: make(chan string), code: make(chan int, 1)}
	// The program's end of the terminal is not closed here: bubbletea does not wait for the goroutines that read its size and its
	// input, and they may still hold it. It is closed when nothing refers to it any more.
	go func() { c.code <- run(ctx, args, app.Streams{In: slave, Out: slave, Err: slave}) }()
	go func() {
		defer close(c.shown)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			if n > 0 {
				c.shown <- string(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); _ = master.Close() })
	return c
}

// until reads on until the terminal shows a text.
func (c *conversation) until(text string) {
	c.t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(c.seen.String(), text) {
		select {
		case more, ok := <-c.shown:
			if !ok {
				c.t.Fatalf("the terminal ended without %q:\n%s", text, c.seen.String())
			}
			c.seen.WriteString(more)
		case <-deadline:
			c.t.Fatalf("%q was not printed:\n%s", text, c.seen.String())
		}
	}
}

// answer waits for a question and types the answer.
func (c *conversation) answer(question, keys string) {
	c.t.Helper()
	c.until(question)
	c.seen.Reset()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

func inDirectory(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("TERM", "xterm-256color")
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInitAsksOnATerminal(t *testing.T) {
	inDirectory(t, map[string]string{"compose.yml": "services: {cache: {image: 'redis:7.4', ports: ['6379:6379']}}\n"})
	c := converse(t, "init")
	c.answer("What do you start from?", "\r")
	c.answer("exception of 30 days", "y")
	c.until("equivalent command: hsectl init --from compose.yml --except")
	c.until("before")
	c.until("after")
	if code := <-c.code; code != exitOK {
		t.Errorf("exit %d", code)
	}
	text, err := os.ReadFile("hsectl.yaml")
	if err != nil || !strings.Contains(string(text), "preset: redis") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestInitReplacesOnlyWhenTold(t *testing.T) {
	inDirectory(t, map[string]string{"compose.yml": "services: {cache: {image: 'redis:7.4'}}\n", "hsectl.yaml": "mine\n"})
	c := converse(t, "init", "--from", "compose.yml")
	c.answer("Replace it?", "n")
	c.until("nothing was written")
	if code := <-c.code; code != exitUsage {
		t.Errorf("exit %d", code)
	}
	if text, err := os.ReadFile("hsectl.yaml"); err != nil || string(text) != "mine\n" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestInitMakesANewStackOnATerminal(t *testing.T) {
	inDirectory(t, nil)
	c := converse(t, "init")
	c.answer("Which images?", "x\r")
	c.until("equivalent command: hsectl init --preset ")
	if code := <-c.code; code != exitOK {
		t.Errorf("exit %d: %s", code, c.seen.String())
	}
}

func TestInitIsLeftWithControlC(t *testing.T) {
	inDirectory(t, nil)
	c := converse(t, "init")
	c.answer("Which images?", "\x03")
	c.until("nothing was written")
	if code := <-c.code; code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

// A script has no terminal on one of its ends, so nothing waits for an answer.
func TestInitNeverAsksAScript(t *testing.T) {
	inDirectory(t, map[string]string{"compose.yml": "services: {cache: {image: 'redis:7.4'}}\n"})
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	var said strings.Builder
	if code := run(t.Context(), []string{"init"}, app.Streams{In: slave, Out: &said, Err: &said}); code != exitUsage || !strings.Contains(said.String(), "nothing to start from") {
		t.Errorf("exit %d: %s", code, said.String())
	}
	if code := run(t.Context(), []string{"init"}, app.Streams{In: strings.NewReader("\r\r\r"), Out: slave, Err: slave}); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}
