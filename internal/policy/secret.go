package policy

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// Secrets is the list of names and forms by which secrets are recognised.
type Secrets struct {
	AsOf    string   `yaml:"as_of"`
	Sources []string `yaml:"sources"`
	Names   struct {
		Words   []string `yaml:"words"`   // of a secret
		Endings []string `yaml:"endings"` // of a word of a secret
		Keys    []string `yaml:"keys"`    // words that make a key a secret one
		Last    []string `yaml:"last"`    // words of a secret, where no other word follows
		About   []string `yaml:"about"`   // words that follow where a name is only about a secret
		Amounts []string `yaml:"amounts"` // words that come before in the name of an amount
	} `yaml:"names"`
	Values struct {
		Plain     []string `yaml:"plain"`     // no secret, whatever the name is
		Schemes   []string `yaml:"schemes"`   // no secret where the name ends in one of the words of Last
		Elsewhere Pattern  `yaml:"elsewhere"` // says where the value is
		Read      Pattern  `yaml:"read"`      // what a shell reads from a file
	} `yaml:"values"`
	Options     []SecretOption `yaml:"options"`
	Forms       []SecretForm   `yaml:"forms"`
	Placeholder Pattern        `yaml:"placeholder"` // what documentation writes in place of a secret

	vocabulary map[string]role
}

// SecretOption is an option of one letter by which programs take a password.
type SecretOption struct {
	Programs []string `yaml:"programs"`
	Option   string   `yaml:"option"`
	Joined   bool     `yaml:"joined"` // the value is in the same word
	User     bool     `yaml:"user"`   // the value is USER:PASSWORD
}

// SecretForm is a form that the value of a secret has.
type SecretForm struct {
	ID       string   `yaml:"id"`
	Title    string   `yaml:"title"`
	Keywords []string `yaml:"keywords"` // each match holds one
	Pattern  Pattern  `yaml:"pattern"`
	Files    bool     `yaml:"files"` // looked for in the files of images, too
}

// Pattern is a regular expression that is compiled when it is first needed.
type Pattern struct {
	compile func() (*regexp.Regexp, error)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Pattern) UnmarshalText(text []byte) error {
	pattern := string(text)
	p.compile = sync.OnceValues(func() (*regexp.Regexp, error) { return regexp.Compile(pattern) })
	return nil
}

// Regexp returns the compiled pattern.
func (p Pattern) Regexp() (*regexp.Regexp, error) {
	if p.compile == nil {
		return nil, errors.New("no pattern is given")
	}
	return p.compile()
}

// Matches reports whether the pattern is found. One that does not compile is found nowhere; a test compiles all of the list.
func (p Pattern) Matches(text []byte) bool {
	re, err := p.Regexp()
	return err == nil && re.Match(text)
}

// Find returns where the pattern is found, at most so many times.
func (p Pattern) Find(text []byte, most int) [][]int {
	re, err := p.Regexp()
	if err != nil {
		return nil
	}
	return re.FindAllIndex(text, most)
}

// In reports whether a text holds one of the keywords of the form.
func (f SecretForm) In(text []byte) bool {
	return slices.ContainsFunc(f.Keywords, func(word string) bool { return bytes.Contains(text, []byte(word)) })
}

// role is what a word says in a name.
type role uint8

const (
	namesSecret role = 1 << iota
	qualifiesKey
	secretAtEnd
	onlyAbout
	ofAmount
)

// ParseSecrets reads a list of names and forms, and says everything that is wrong with it.
func ParseSecrets(file string, data []byte) (Secrets, error) {
	c := &yamldoc.Collector{}
	var out Secrets
	if node := yamldoc.Parse(yamldoc.Source{File: file, Data: data}, c); node != nil {
		d := yamldoc.NewDecoder(c)
		d.Decode(node, &out, "")
		out.check(c, d.Places)
	}
	if err := c.Err(); err != nil {
		return Secrets{}, fmt.Errorf("reading the names and forms of secrets: %w", err)
	}
	out.vocabulary = map[string]role{}
	for role, words := range map[role][]string{namesSecret: out.Names.Words, qualifiesKey: out.Names.Keys, secretAtEnd: out.Names.Last, onlyAbout: out.Names.About, ofAmount: out.Names.Amounts} {
		for _, word := range words {
			out.vocabulary[word] |= role
		}
	}
	return out, nil
}

func (s Secrets) check(c *yamldoc.Collector, places yamldoc.Places) {
	if _, err := time.Parse(time.DateOnly, s.AsOf); err != nil || len(s.Sources) == 0 {
		c.Add(places.Origin("as_of").At, "", "as_of must be a day, and sources name where the list comes from")
	}
	for _, list := range [][]string{s.Names.Words, s.Names.Endings, s.Names.Keys, s.Names.Last, s.Names.About, s.Names.Amounts, s.Values.Plain, s.Values.Schemes} {
		if len(list) == 0 {
			c.Add(places.Origin("names").At, "", "every list of words needs some")
		}
	}
	seen := map[string]bool{}
	for i, f := range s.Forms {
		at := places.Origin(fmt.Sprintf("forms[%d]", i)).At
		if f.Pattern.compile == nil || f.ID == "" || f.Title == "" || len(f.Keywords) == 0 || seen[f.ID] {
			c.Add(at, "", "form %q needs an id of its own, a title, keywords and a pattern", f.ID)
		}
		seen[f.ID] = true
	}
}

// KnownSecrets is the list that hsectl brings along. It is part of the program, so one that cannot be read is a defect.
func KnownSecrets() Secrets { return embedded() }

var embedded = sync.OnceValue(func() Secrets {
	s, err := ParseSecrets("profiles/data/secrets.yaml", profiles.Secrets())
	if err != nil {
		panic(err)
	}
	return s
})

// LooksSecret reports whether a variable looks like a credential. It never returns the value.
func LooksSecret(v Variable) bool { return KnownSecrets().Holds(v) }

// Holds reports whether a variable looks like a secret: by the form of its value or, where the value is one and is here, by its
// name.
func (s Secrets) Holds(v Variable) bool {
	if v.Value == "" {
		return false
	}
	if s.form(v.Value) {
		return true
	}
	is := s.named(v.Name)
	switch value := strings.ToLower(v.Value); {
	case is == 0, slices.Contains(s.Values.Plain, value):
		return false
	case is&ofAmount != 0 && strings.Trim(value, "0123456789") == "":
		return false
	case is&secretAtEnd != 0 && slices.Contains(s.Values.Schemes, value):
		return false
	}
	return !s.Values.Elsewhere.Matches([]byte(v.Value))
}

// PasswordHash reports whether a text holds the hash of a password, with whatever number of dollar signs.
func PasswordHash(text string) bool {
	return slices.ContainsFunc(KnownSecrets().Forms, func(f SecretForm) bool {
		return f.ID == "password-hash" && f.In([]byte(text)) && f.Pattern.Matches([]byte(text))
	})
}

func (s Secrets) form(value string) bool {
	text := []byte(value)
	return slices.ContainsFunc(s.Forms, func(f SecretForm) bool { return f.In(text) && f.Pattern.Matches(text) })
}

// named returns what makes a name one of a secret, or 0.
func (s Secrets) named(name string) role {
	words := splitName(name)
	var amount role
	for i, word := range words {
		amount |= s.role(word) & ofAmount
		if is := s.secretAt(words, i); is != 0 && !slices.ContainsFunc(words[i+1:], func(after string) bool { return s.role(after)&onlyAbout != 0 }) {
			return is | amount
		}
	}
	return 0
}

// secretAt returns what makes one of the words that of a secret, or 0.
func (s Secrets) secretAt(words []string, i int) role {
	word := words[i]
	is := s.role(word) & namesSecret
	if s.ends(word) {
		is |= namesSecret
	}
	if i == len(words)-1 {
		is |= s.role(word) & secretAtEnd
	}
	prefix, isKey := strings.CutSuffix(strings.TrimSuffix(word, "s"), "key")
	if prefix == "" && i > 0 {
		prefix = words[i-1]
	}
	if isKey {
		is |= s.role(prefix) & qualifiesKey
	}
	return is
}

// role looks a word up, and its singular.
func (s Secrets) role(word string) role {
	return s.vocabulary[word] | s.vocabulary[strings.TrimSuffix(word, "s")]
}

func (s Secrets) ends(word string) bool {
	return slices.ContainsFunc(s.Names.Endings, func(ending string) bool { return strings.HasSuffix(strings.TrimSuffix(word, "s"), ending) })
}

// splitName returns the words of a name in small letters, without numbers at their end.
func splitName(name string) []string {
	var out []string
	var word []rune
	end := func() {
		if text := strings.TrimRightFunc(strings.ToLower(string(word)), unicode.IsDigit); text != "" {
			out = append(out, text)
		}
		word = word[:0]
	}
	letters := []rune(name)
	for i, c := range letters {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			end()
			continue
		}
		begins := i > 0 && unicode.IsUpper(c) && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsUpper(letters[i-1]) && unicode.IsLower(letters[i+1]))
		if begins {
			end()
		}
		word = append(word, c)
	}
	end()
	return out
}

// argument looks at one word of a command line, and at the option before it.
func (s Secrets) argument(words []string, i int) bool {
	if s.form(words[i]) {
		return true
	}
	if name, value, ok := strings.Cut(words[i], "="); ok && !s.Values.Read.Matches([]byte(value)) && s.Holds(Variable{name, value}) {
		return true
	}
	if slices.ContainsFunc(s.Options, func(o SecretOption) bool { return o.gives(words, i) }) {
		return true
	}
	return i > 0 && strings.HasPrefix(words[i-1], "--") && !strings.Contains(words[i-1], "=") && !strings.HasPrefix(words[i], "-") && s.Holds(Variable{words[i-1], words[i]})
}

// gives reports whether a word of a command line is the value of the option. What a shell puts in is none.
func (o SecretOption) gives(words []string, i int) bool {
	if i == 0 || !slices.ContainsFunc(words[:i], func(w string) bool { return slices.Contains(o.Programs, path.Base(w)) }) {
		return false
	}
	value, is := words[i], words[i-1] == o.Option
	if o.Joined {
		value, is = strings.CutPrefix(words[i], o.Option)
	}
	if o.User {
		_, password, ok := strings.Cut(value, ":")
		value, is = password, is && ok
	}
	return is && value != "" && !strings.HasPrefix(value, "-") && !strings.ContainsAny(value[:1], "$`\"'")
}

// SecretArgument reports whether a command line seems to hold a credential.
func SecretArgument(words []string) bool { return len(SecretArguments(words)) > 0 }

// SecretArguments returns which words of a command line look like secrets, by number; the words themselves are not
// returned.
func SecretArguments(words []string) []int {
	known := KnownSecrets()
	var out []int
	for i := range words {
		if known.argument(words, i) {
			out = append(out, i+1)
		}
	}
	return out
}
