package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/redact"
)

const pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\nAB==\n-----END PRIVATE KEY-----\n"

func TestText(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		text   string
		want   string
	}{
		{"no value", nil, "nothing is hidden", "nothing is hidden"},
		{"as it is", []string{"hunter2"}, "the token is hunter2.", "the token is [secret]."},
		{"longest first", []string{"hunter", "hunter2-and-the-rest"}, "a hunter2-and-the-rest b hunter c", "a [secret] b [secret] c"},
		{"overlapping", []string{"abcdef", "defghi"}, "1abcdefghi2", "1[secret]2"},
		{"one after the other", []string{"hunter2", "swordfish"}, "hunter2swordfish hunter2 swordfish", "[secret] [secret] [secret]"},
		{"white space around it", []string{"  hunter2\r\n"}, "hunter2", "[secret]"},
		{"all lines of a key", []string{pem}, "x" + pem + "y", "x[secret]\n[secret]\n[secret]\n[secret]\ny"},
		{"one line of a key", []string{pem}, "bad key MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF", "bad key [secret]"},
		{"a line that was cut", []string{strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz", 10)}, "…" + strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz", 10)[64:256] + "!", "…[secret]!"},
		{"wrapped", []string{"correct horse battery staple"}, "a correct horse\n battery sta\r\nple b", "a [secret]\n[secret]\r\n[secret] b"},
		{"within escapes of a terminal", []string{"hunter2"}, "\x1b[31mhunter2\x1b[0m", "\x1b[31m[secret]\x1b[0m"},
		{"too short", []string{"on", "abc"}, "on abc", "on abc"},
		{"four characters", []string{"abcd"}, "abcde", "[secret]e"},
		{"empty", []string{"", " \n"}, "a b", "a b"},
		{"in JSON", []string{"a\"b\\c\td<é🔑"}, `{"t":"a\"b\\c\td\u003cé🔑","u":"a\"b\\c\td<\u00e9\ud83d\udd11"}`, `{"t":"[secret]","u":"[secret]"}`},
		{"in JSON in JSON", []string{`a"b\c`}, `{"log":"{\"t\":\"a\\\"b\\\\c\"}"}`, `{"log":"{\"t\":\"[secret]\"}"}`},
		{"quoted by Go", []string{"p\x01w\u00e9\xff!"}, `"p\x01w\u00e9\xff!" "p\x01wé\xff!"`, `"[secret]" "[secret]"`},
		{"in a URL", []string{"p@ss/w?rd &é"}, "p%40ss%2Fw%3Frd+%26%C3%A9 p%40ss%2fw%3frd%20%26%c3%a9 p@ss%2Fw%3Frd%20&%C3%A9 p%40ss/w%3Frd%20%26%C3%A9", "[secret] [secret] [secret] [secret]"},
		{"in hexadecimal", []string{"hunter2"}, "68756e74657232 68756E74657232", "[secret] [secret]"},
		{"in base64", []string{"hunter2"}, "aHVudGVyMg== aHVudGVyMg", "[secret] [secret]"},
		{"a base64 with a line end", []string{"hunter2"}, base64.StdEncoding.EncodeToString([]byte("hunter2\n")), "[secret]o="},
		{"basic authentication", []string{"hunter2-and-the-rest"}, "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:hunter2-and-the-rest")), "Basic YWRtaW46[secret]"},
		{"in base64 that is wrapped", []string{"correct horse battery staple"}, "Y29ycmVjdCBob3Jz\r\nZSBiYXR0ZXJ5IHN0YXBsZQ==", "[secret]\r\n[secret]"},
		{"the mark is a value", []string{"secret"}, "secret [secret]", "!!!!!!!! [!!!!!!!!]"},
		{"the mark begins a value", []string{"]2-and"}, "]2-and [secret]2-and", "!!!!!!!! [secret!!!!!!!!"},
	} {
		slices.Reverse(c.values)
		r := redact.New(c.values, nil)
		if got := r.Text(c.text); got != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.name, got, c.want)
		}
		if r.Holds(c.text) != (c.text != c.want) {
			t.Errorf("%s: holds a value: %v", c.name, r.Holds(c.text))
		}
	}
}

func TestShortValuesAreSaid(t *testing.T) {
	for value, want := range map[string]string{"": "", "abcd": "", "abc": "secret values shorter than 4 characters are not hidden in output", "a\n": "secret values shorter than 4 characters are not hidden in output",
		"\x01\x02\x03\x04\x05": "secret values shorter than 4 characters are not hidden in output"} {
		if got := redact.New([]string{"a long one", value}, nil).Warning(); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func TestOutputIsHiddenWhereAValueIsUnknown(t *testing.T) {
	const because = " hidden: the values of db, token are not known here]"
	r := redact.New([]string{"hunter2"}, []string{"token", "db"})
	if got := r.Lines([]string{"a", "hunter2"}); !slices.Equal(got, []string{"[2 lines" + because}) {
		t.Error(got)
	}
	if got := r.Lines(nil); len(got) != 0 {
		t.Error(got)
	}
	if r.Output("a\n") != "[1 line"+because || r.Output("") != "" || r.Text("a hunter2") != "a [secret]" {
		t.Error(r.Output("a"), r.Output(""), r.Text("a hunter2"))
	}
	var out bytes.Buffer
	w := r.Writer(&out)
	for range 3 {
		fmt.Fprintln(w, "printed")
	}
	if err := w.Close(); err != nil || out.String() != "[output"+because+"\n" {
		t.Error(out.String(), err)
	}
	if one := redact.New(nil, []string{"db"}); one.Hidden(3) != "[3 lines hidden: the value of db is not known here]" || (redact.Redactor{}).Hidden(3) != "" {
		t.Error(one.Hidden(3))
	}
	if !slices.Equal(r.Missing(), []string{"db", "token"}) {
		t.Error(r.Missing())
	}
}

func TestLines(t *testing.T) {
	r := redact.New([]string{pem, "one two"}, nil)
	got := r.Lines([]string{"key:", "-----BEGIN PRIVATE KEY-----", "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF", "AB==", "-----END PRIVATE KEY-----", "", "one", " two"})
	if want := []string{"key:", "[secret]", "[secret]", "[secret]", "[secret]", "", "[secret]", "[secret]"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestErrorIsStillWhatItWas(t *testing.T) {
	r := redact.New([]string{"hunter2"}, nil)
	cause := &fs.PathError{Op: "open", Path: "/run/hunter2", Err: fs.ErrNotExist}
	err := r.Error(fmt.Errorf("reading: %w", cause))
	if err.Error() != "reading: open /run/[secret]: file does not exist" {
		t.Error(err)
	}
	if path, ok := errors.AsType[*fs.PathError](err); !ok || path != cause || !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if other := errors.New("other"); !errors.Is(r.Error(other), other) || r.Error(other).Error() != "other" || r.Error(nil) != nil {
		t.Error("an error without a value is another one")
	}
}

// A stream passes on at once what cannot be the beginning of a value.
func TestWriterKeepsOnlyWhatMayBeAValue(t *testing.T) {
	var out bytes.Buffer
	w := redact.New([]string{"hunter2"}, nil).Writer(&out)
	for _, c := range []struct{ write, want string }{
		{"ready\n", "ready\n"}, {"a h", "ready\na "}, {"ey!\n", "ready\na hey!\n"}, {"hunt", "ready\na hey!\n"}, {"er2\n", "ready\na hey!\n[secret]\n"},
	} {
		if n, err := w.Write([]byte(c.write)); n != len(c.write) || err != nil || out.String() != c.want {
			t.Errorf("after %q: %q, %v", c.write, out.String(), err)
		}
	}
}

// seeds are pairs of values and a text around them.
func seeds(f *testing.F) {
	f.Helper()
	for _, s := range [][3]string{
		{"hunter", "hunter2-and-the-rest", "a hunter2-and-the-rest b"}, {"secret", "]2", "[secret]2"}, {pem, "MC4CAQAwBQYDK2Vw", pem}, {"abcabc", "bcabcd", "abcabcabcd"},
		{"\xff\x00\xfe\x01\xfd", "p@ss w/rd", "p%40ss+w"}, {"aaaa", "aaaaa", "aaaaaaaaaaa"}, {"a\nb\ncdef", "\"quoted\\\"", "a\r\nbcdef"}, {"[secret]", "!!!!!", "[secret]!!!!!!!!!"},
	} {
		f.Add(s[0], s[1], s[2], uint8(3))
	}
}

// encoded are the forms of a value that no output may hold, made without the code under test.
func encoded(t *testing.T, value string) []string {
	t.Helper()
	quoted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{value, string(quoted[1 : len(quoted)-1]), url.QueryEscape(value), url.PathEscape(value), hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value)))}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		forms = append(forms, e.EncodeToString([]byte(value)))
	}
	return forms
}

// plain leaves out what a terminal does not show, and is in the pieces between marks, which no value may be in.
func plain(text string) string {
	return string(slices.DeleteFunc([]byte(strings.ReplaceAll(text, "\t", " ")), func(c byte) bool { return c < ' ' || c == 0x7f }))
}

func FuzzNoFormSurvives(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, around string, _ uint8) {
		r := redact.New([]string{a, b}, nil)
		for _, value := range []string{a, b, strings.TrimSpace(a), strings.TrimSpace(b)} {
			if len(plain(strings.TrimSpace(value))) < redact.MinLength || strings.ToValidUTF8(value, "") != value {
				continue // bytes that are no text are looked at below
			}
			for _, form := range encoded(t, value) {
				if out := r.Text(around + form + around); strings.Contains(plain(out), plain(form)) {
					t.Fatalf("%q holds %q", out, form)
				}
			}
			for before := range 3 {
				for after := range 3 {
					for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
						whole := alphabet.EncodeToString([]byte(strings.Repeat("\xa5", before) + value + strings.Repeat("\x5a", after)))
						from, to := (8*before+5)/6, 8*(before+len(value))/6
						if out := r.Text(whole); strings.Contains(out, whole[from:to]) {
							t.Fatalf("%q holds %q", out, whole[from:to])
						}
					}
				}
			}
		}
		if encoded := hex.EncodeToString([]byte(a)); len(plain(strings.TrimSpace(a))) >= redact.MinLength && strings.Contains(r.Text(encoded), encoded) {
			t.Fatalf("%q in hexadecimal", a)
		}
	})
}

func FuzzAgainAndInAnyOrder(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, text string, _ uint8) {
		r := redact.New([]string{a, b}, nil)
		once := r.Text(a + text + b + text)
		if twice := r.Text(once); twice != once {
			t.Fatalf("%q again is %q", once, twice)
		}
		if other := redact.New([]string{b, a, b}, nil).Text(a + text + b + text); other != once {
			t.Fatalf("%q and, in another order, %q", once, other)
		}
	})
}

func FuzzWriter(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, text string, size uint8) {
		r := redact.New([]string{a, b}, nil)
		text = text + a + b + text + b[:len(b)/2]
		var out bytes.Buffer
		w := r.Writer(&out)
		for chunk := range slices.Chunk([]byte(text), int(size%80)+1) {
			if n, err := w.Write(slices.Clone(chunk)); n != len(chunk) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.Close(); err != nil || out.String() != r.Text(text) {
			t.Fatalf("%q and, at once, %q; %v", out.String(), r.Text(text), err)
		}
	})
}
