package supply

import (
	"bytes"
	"io"
	"io/fs"
	"testing"
)

// What --secret gives to a build is hidden in what its steps print, wherever BuildKit takes the value from.
func TestBuildSecretsAreHidden(t *testing.T) {
	variables := map[string]string{"TOKEN": "from-a-variable", "own": "of-its-own-name"}
	files := map[string]string{"npmrc": "//registry/:_authToken=from-a-file\n", "plain": "in-a-file-of-its-name"}
	lookup := func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
	read := func(path string, _ int64) ([]byte, error) {
		data, ok := files[path]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(data), nil
	}
	for _, c := range []struct{ secret, prints, want string }{
		{"id=a,env=TOKEN", "TOKEN=from-a-variable", "TOKEN=[secret]"},
		{"type=env,id=a,src=TOKEN", "TOKEN=from-a-variable", "TOKEN=[secret]"},
		{"id=npm,src=npmrc", "+ cat //registry/:_authToken=from-a-file", "+ cat [secret]"},
		{"id=npm,source=npmrc", "+ cat //registry/:_authToken=from-a-file", "+ cat [secret]"},
		{"id=own", "of-its-own-name", "[secret]"},
		{"id=plain", "in-a-file-of-its-name", "[secret]"},
		{"id=absent,src=nowhere", "anything", "[output hidden: the value of absent is not known here]\n"},
	} {
		var out bytes.Buffer
		w := BuildOptions{Secrets: []string{c.secret}}.redactor(lookup, read).Writer(&out)
		for _, part := range []string{c.prints[:len(c.prints)/2], c.prints[len(c.prints)/2:]} {
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil || out.String() != c.want {
			t.Errorf("%s: %q, %v", c.secret, out.String(), err)
		}
	}
}
