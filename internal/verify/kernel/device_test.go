package kernel

import (
	"slices"
	"strings"
	"testing"
)

func TestStrangeDevices(t *testing.T) {
	t.Parallel()
	// Word for word what runc 1.3 writes, on version 1.
	usual := "b *:* m\nc *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\nc 5:0 rwm\nc 5:2 rwm\nc 136:* rwm\n"
	if found, err := StrangeRules(usual); err != nil || len(found) > 0 {
		t.Errorf("usual: %q, %v", found, err)
	}
	for line, want := range map[string]string{
		"a *:* rwm": "the control group allows device a *:* rwm", "b 8:0 r": "the control group allows device b 8:0 r", "c 1:1 rw": "the control group allows device c 1:1 rw",
		"c *:* rwm": "the control group allows device c *:* rwm", "c 1:* w": "the control group allows device c 1:* w", "b 1:3 r": "the control group allows device b 1:3 r",
	} {
		if found, err := StrangeRules(usual + line + "\n"); err != nil || !slices.Equal(found, []string{want}) {
			t.Errorf("%s: %q, %v", line, found, err)
		}
	}
	for _, text := range []string{"", "\n", "nonsense\n", "c 1 r\n", "c 1:3\n"} {
		if found, err := StrangeRules(text); err == nil {
			t.Errorf("%q: %q", text, found)
		}
	}
	nodes := []Node{{"/dev/null", "c", 1, 3}, {"/dev/pts/0", "c", 136, 0}, {"/dev/console", "c", 136, 5}, {"/dev/tty", "c", 5, 0}}
	if found := StrangeNodes(nodes); len(found) > 0 {
		t.Errorf("usual: %q", found)
	}
	for want, n := range map[string]Node{
		"/dev/mem is device c 1:1": {"/dev/mem", "c", 1, 1}, "/dev/null is device b 1:3": {"/dev/null", "b", 1, 3}, "/dev/net/tun is device c 10:200": {"/dev/net/tun", "c", 10, 200},
	} {
		if found := StrangeNodes(append(nodes, n)); !slices.Equal(found, []string{want}) {
			t.Errorf("%+v: %q", n, found)
		}
	}
}

func FuzzStrangeRules(f *testing.F) {
	f.Add("c 1:3 rwm\nb *:* m\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := StrangeRules(text)
		if err == nil && strings.TrimSpace(text) == "" || strings.ContainsAny(strings.Join(found, ""), "\n\x1b") {
			t.Errorf("%q: %q, %v", text, found, err)
		}
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("4:memory:/docker/"+strings.Repeat("ab", 32)+"\n0::/\n", "0::/system.slice/docker-"+strings.Repeat("ab", 32)+".scope/init\n")
	f.Fuzz(func(t *testing.T, ours, theirs string) {
		h := Home{ID: strings.Repeat("ab", 32), Place: Place{Namespaces: map[string]string{"net": "net:[2]"}, Groups: ours}, Machine: Place{Namespaces: map[string]string{"net": "net:[1]"}}}
		same := Process{Place: h.Place, Inside: true}
		if _, group, strange := h.Shares(same); group && strange {
			t.Errorf("%q: what is just where the container is, is a stranger", ours)
		}
		h.Shares(Process{Place: Place{Groups: theirs}})
		Containers(theirs)
	})
}
