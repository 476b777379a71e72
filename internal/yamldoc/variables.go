package yamldoc

import "regexp"

// variable finds ${…}, and $${ which stands for a literal ${.
var variable = regexp.MustCompile(`\$\$\{|\$\{([^}]*)\}`)

// form is what may stand between the braces: NAME, NAME:-default or NAME:?message.
var form = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)(.*))?$`)

// Lookup returns the value of a variable, or false when it is not set.
type Lookup func(name string) (string, bool)

// Substitute returns the text with the variables in it replaced by their values. $${ stands for a literal ${.
func (l Lookup) Substitute(text string) (string, error) { return l.substitute(text, nil) }

// SubstituteSet is Substitute that leaves a variable without a value as it is written, and notes its name.
func (l Lookup) SubstituteSet(text string, unset func(name string)) (string, error) {
	return l.substitute(text, unset)
}

func (l Lookup) substitute(text string, unset func(name string)) (string, error) {
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		value, err := l.value(found[2 : len(found)-1])
		if m := form.FindStringSubmatch(found[2 : len(found)-1]); err != nil && m != nil && unset != nil {
			unset(m[1])
			return found
		}
		if err != nil && failed == nil {
			failed = err
		}
		return value
	})
	return out, failed
}

func (l Lookup) value(inner string) (string, error) {
	m := form.FindStringSubmatch(inner)
	if m == nil {
		return "", BadValue("write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ is a literal ${", "${%s} is not a variable", inner)
	}
	value := ""
	if l != nil {
		value, _ = l(m[1])
	}
	switch {
	case value != "":
		return value, nil
	case m[2] == ":-":
		return m[3], nil
	case m[2] == ":?" && m[3] != "":
		return "", BadValue("export "+m[1]+"=…", "the variable %s is not set: %s", m[1], m[3])
	}
	return "", BadValue("export "+m[1]+"=…, or give it a default: ${"+m[1]+":-…}", "the variable %s is not set", m[1])
}
