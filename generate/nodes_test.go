package generate_test

import (
	"maps"
	"testing"

	"github.com/hsectl/hsectl/generate"
)

// Files that mean different things never have the same nodes: what is taken apart is all that a plan compares.
func TestNodesTellFilesApart(t *testing.T) {
	const head = "name: shop\nservices:\n  web:\n    "
	nodes := func(text string) generate.Settings {
		t.Helper()
		n, err := generate.ReadNodes([]byte(head + text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return n.Services["web"]
	}
	for name, c := range map[string]struct{ one, other string }{
		"a word with a comma":         {`command: ["a, b"]`, `command: [a, b]`},
		"a word with a quote":         {`command: ['"a', 'b"']`, `command: ['"a, b"']`},
		"an empty word":               {`command: [""]`, `command: []`},
		"a value in braces":           {`environment: {A: '{"x": 1}'}`, `environment: {A: '{"x": 2}'}`},
		"an empty mapping":            {`networks: {a: {}}`, `networks: {a: {}, b: {}}`},
		"a port by another protocol":  {`ports: [{target: 80, protocol: tcp}, {target: 80, protocol: udp}]`, `ports: [{target: 80, protocol: tcp}]`},
		"the first of two alike":      {`ports: [{target: 80, published: "1"}, {target: 80, published: "2"}]`, `ports: [{target: 80, published: "3"}, {target: 80, published: "2"}]`},
		"an option of a mount":        {`volumes: [{type: volume, source: a, target: /a, volume: {nocopy: true}}]`, `volumes: [{type: volume, source: a, target: /a, volume: {nocopy: false}}]`},
		"a mount at another path":     {`volumes: [{type: volume, source: a, target: /a}]`, `volumes: [{type: volume, source: a, target: /b}]`},
		"a key that is the beginning": {`labels: {a: b}`, `labels: {a: b, a.b: c}`},
	} {
		if maps.Equal(nodes(c.one), nodes(c.other)) {
			t.Errorf("%s: %s and %s are the same", name, c.one, c.other)
		}
	}
	if !maps.Equal(nodes("command: [a] # why"), nodes("command:\n      - a")) {
		t.Error("a comment and another way of writing make a difference")
	}
	for _, bad := range []string{"", "- a", "a: [", "text"} {
		if _, err := generate.ReadNodes([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzReadNodes(f *testing.F) {
	f.Add([]byte("services: {a: {b: &x [*x]}}"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = generate.ReadNodes(data) })
}
