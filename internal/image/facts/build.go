package facts

import (
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// Step is one instruction of a Dockerfile.
type Step struct {
	Keyword string // in capitals
	Args    []string
}

// Stage is what a stage of a Dockerfile adds to the image from which it is made.
type Stage struct {
	Base     string // reference of that image; empty when it is not known, or there is none
	User     string // of its last USER; empty when it has none
	Signal   string
	Tested   bool // it says something of a health test
	Starts   bool // it has an entry point or a command of its own
	Accounts bool // it may change accounts
}

var changesAccounts = regexp.MustCompile(`\b(useradd|adduser|usermod|userdel|deluser|groupadd|addgroup|groupmod|delgroup|groupdel|apt|apt-get|apk|dnf|yum|microdnf)\b|/etc/(passwd|group)`)

// Last returns the stage that a build makes: the one that is named or, without a name, the last one. It is false where there is none.
func Last(steps []Step, target string) (Stage, bool) {
	stages := map[string]Stage{}
	var current Stage
	name, found, number := "", false, -1
	keep := func() {
		if number >= 0 {
			stages[strings.ToLower(name)], stages[strconv.Itoa(number)] = current, current
			found = found || target != "" && (strings.EqualFold(name, target) || strconv.Itoa(number) == target)
		}
	}
	for _, s := range steps {
		switch {
		case s.Keyword == "FROM" && len(s.Args) > 0:
			keep()
			number++
			from, known := stages[strings.ToLower(s.Args[0])]
			current, name = from, ""
			if !known {
				current = Stage{Base: s.Args[0]}
				if strings.Contains(s.Args[0], "$") || s.Args[0] == "scratch" {
					current.Base = ""
				}
			}
			if len(s.Args) == 3 && strings.EqualFold(s.Args[1], "as") {
				name = s.Args[2]
			}
		case s.Keyword == "USER" && len(s.Args) > 0:
			current.User = s.Args[0]
		case s.Keyword == "STOPSIGNAL" && len(s.Args) > 0:
			current.Signal = s.Args[0]
		case s.Keyword == "HEALTHCHECK":
			current.Tested = true
		case s.Keyword == "ENTRYPOINT" || s.Keyword == "CMD":
			current.Starts = true
		case s.Keyword == "RUN" || s.Keyword == "COPY" || s.Keyword == "ADD":
			current.Accounts = current.Accounts || changesAccounts.MatchString(strings.Join(s.Args, " "))
		}
	}
	keep()
	if target == "" {
		return current, number >= 0
	}
	if !found {
		return Stage{}, false
	}
	return stages[strings.ToLower(target)], true
}

// On returns what is known of an image that a stage makes from another one: its user where the stage says numbers, or where it changes
// no accounts. What starts in it is known only where the stage leaves it as it was.
func (s Stage) On(base Facts) Facts {
	out := base
	out.accounts = maps.Clone(base.accounts)
	switch {
	case s.User != "":
		out.Config.User = s.User
		out.User, out.Groups = User{}, false
		if uid, gid, ok := strings.Cut(s.User, ":"); ok && isNumber(uid) && isNumber(gid) {
			out.User = resolve(s.User, nil, nil)
		} else if account, known := base.Account(s.User); known && !s.Accounts && !isNumber(s.User) {
			out.User = account
			out.Groups = base.Grouped[s.User]
		}
	case s.Accounts && base.User.UID != 0:
		out.User.Known = false
	}
	if s.Starts {
		out.Starts, out.Interpreter, out.WantsRoot, out.Calls, out.Capabilities, out.Setuid = StartsUnknown, "", "", nil, nil, false
	}
	if s.Tested {
		out.Health = Health{}
	}
	if s.Signal != "" {
		out.StopSignal = s.Signal
	}
	return out
}

func isNumber(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 0
}
