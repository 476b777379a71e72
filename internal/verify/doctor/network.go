package doctor

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

func portTaken(r reading) (Diagnosis, bool) {
	if r.line == cut(r.symptom.Error) {
		return Diagnosis{Cause: "a port is taken", Advice: "stop the program that uses it (ss -lntp), or write another host port in " + at(r.service, "ports"), Patch: Patch{Path: at(r.service, "ports")}}, true
	}
	return Diagnosis{Cause: "a port is taken within the container", Advice: "let only one of its processes listen there", Patch: Patch{Path: at(r.service, "command")}}, true
}

func portDenied(r reading) (Diagnosis, bool) {
	if p := subjectOf(r.line, linePortDenied()); p != "" && !strings.Contains(p, ":") && strings.Contains(strings.ToLower(r.line), "unix") {
		return Diagnosis{}, false // a socket in the file system
	}
	return Diagnosis{Cause: "its user may not listen on a port below 1024", Advice: "let it listen on a port from 1024 on; " + at(r.service, "ports") + " can still publish it as any other",
		Patch: Patch{Path: at(r.service, "ports")}}, true
}

// lineNamed finds the name that could not be resolved.
var lineNamed = lazily(`(?i)(?:\bENOTFOUND|\bEAI_AGAIN|\bEAI_NONAME|UnknownHostException:|lookup|host not found in (?:upstream|resolver)|could not resolve host(?:name)?:?|could not translate host name|unknown mysql server host|getaddrinfo for|host:) ["'\x60]?([A-Za-z0-9][\w.-]*)`)

func noName(r reading) (Diagnosis, bool) {
	s := r.service
	named := ""
	if m := lineNamed().FindStringSubmatch(r.line); m != nil {
		named = strings.TrimRight(m[1], ".")
	}
	for _, other := range r.stack.Services {
		if other.Name == s.Name || len(other.Networks) == 0 {
			continue
		}
		if named != "" && named != other.Name || named == "" && !regexp.MustCompile(`(?:^|[^\w.-])`+regexp.QuoteMeta(other.Name)+`(?:$|[^\w-])`).MatchString(r.line) {
			continue
		}
		switch {
		case !slices.ContainsFunc(other.Networks, func(n string) bool { return slices.Contains(s.Networks, n) }):
			return Diagnosis{Cause: "it shares no network with " + other.Name, Patch: Patch{Path: at(s, "networks"), Item: other.Networks[0]}}, true
		case slices.ContainsFunc(s.DependsOn, func(d stack.Dependency) bool { return d.Service == other.Name }):
			return Diagnosis{Cause: other.Name + " is not up", Advice: "see why first: hsectl doctor names its cause", Patch: Patch{Path: at(s, "depends_on")}}, true
		}
		return Diagnosis{Cause: other.Name + " is not up yet", Patch: Patch{Path: at(s, "depends_on"), Item: other.Name}}, true
	}
	d := Diagnosis{Cause: "a name cannot be found", Advice: "put both services on one network, or give a network egress: true for names outside", Patch: Patch{Path: at(s, "networks")}}
	if named != "" {
		d.Cause += ": " + named
	}
	return d, true
}

// ownAddress finds the service's own address in what its health test says.
var ownAddress = regexp.MustCompile(`\b(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?`)

// unreachable is a health test that finds nothing at the service's own address.
func unreachable(s stack.Service, line string) (Diagnosis, bool) {
	own := ownAddress.FindString(line)
	if own == "" || !lineRefused().MatchString(line) && !lineNoConnection().MatchString(line) {
		return Diagnosis{}, false
	}
	return Diagnosis{Cause: "nothing listens at " + own + ", where its health test asks", Evidence: strings.TrimSpace(line),
		Advice: "point the test at the port on which the service listens, or give it more time to start", Patch: Patch{Path: at(s, "health")}}, true
}

// lineNoConnection is what curl, wget, pg_isready and others print of a server that is not there.
var lineNoConnection = lazily(`(?i)failed to connect to|couldn't connect to server|could not connect|no response|can't connect`)

func refused(r reading) (Diagnosis, bool) {
	d := Diagnosis{Cause: "something that it needs does not answer", Advice: "name it in " + at(r.service, "depends_on") + ", so that it is healthy first", Patch: Patch{Path: at(r.service, "depends_on")}}
	if len(r.service.DependsOn) > 0 {
		d.Advice = "compare the address with the port on which the other service listens; if it is not in " + at(r.service, "depends_on") + ", name it there"
	}
	return d, true
}

func noWayOut(r reading) (Diagnosis, bool) {
	out := slices.ContainsFunc(r.stack.Networks, func(n stack.Network) bool {
		return slices.Contains(r.service.Networks, n.Name) && (n.Egress || n.External)
	})
	if !out && lineNoRoute().MatchString(r.line) {
		return Diagnosis{Cause: "it connects to where none of its networks leads", Advice: "give one of its networks egress: true, when it has to reach the outside", Patch: Patch{Path: at(r.service, "networks")}}, true
	}
	return Diagnosis{Cause: "something that it needs does not answer in time", Advice: "look whether it is up, and whether a network leads there", Patch: Patch{Path: at(r.service, "networks")}}, true
}

var lineNoRoute = lazily(`(?i)\bENETUNREACH|\bEHOSTUNREACH|network is unreachable|no route to host`)
