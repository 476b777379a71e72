package parser

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// overlaying merges whole documents by the rules of the Compose specification: mappings by key, lists of things that
// have a name are added to, and everything that is one value written as a list (a command) is replaced.
func overlaying() yamldoc.Merger {
	return yamldoc.Merger{
		Lists:     func(path string) yamldoc.Identity { return overlaid(inService(path)) },
		Exclusive: func(path string) [][]string { return choices(inService(path)) },
	}
}

// overlaid returns how items of a list are told apart in an overlay.
func overlaid(path string) yamldoc.Identity {
	switch path {
	case "writable":
		return yamldoc.ByField("path")
	case "ports":
		return portIdentity
	case "secrets":
		return yamldoc.ByName("name")
	case "depends_on":
		return yamldoc.ByName("service")
	case "capabilities":
		return yamldoc.ByField("name")
	case "networks", "notes", "verify.denied", "verify.listen":
		return func(n *yamldoc.Node) string { return n.Value }
	case "verify.reach":
		return func(n *yamldoc.Node) string {
			if n.Kind == yamldoc.Scalar {
				return " " + n.Value
			}
			return yamldoc.ByField("from")(n) + " " + yamldoc.ByField("url")(n)
		}
	case "exceptions":
		return func(n *yamldoc.Node) string {
			return yamldoc.ByField("control")(n) + " " + yamldoc.ByField("service")(n)
		}
	}
	return nil
}

// portIdentity is the whole of a port, as in Compose: another host port is another port.
func portIdentity(n *yamldoc.Node) string {
	var p profile.Port
	if handled, err := p.DecodeShort(n); !handled || err != nil {
		p.Address, p.Protocol = yamldoc.ByField("address")(n), yamldoc.ByField("protocol")(n)
		return fmt.Sprintf("%s:%s:%s/%s", cmp.Or(p.Address, "127.0.0.1"), yamldoc.ByField("host")(n), yamldoc.ByField("container")(n), cmp.Or(p.Protocol, "tcp"))
	}
	return fmt.Sprintf("%s:%d:%d/%s", cmp.Or(p.Address, "127.0.0.1"), p.Host, p.Container, cmp.Or(p.Protocol, "tcp"))
}

// layering merges what one service is made of: writable paths by their path, every other list is replaced.
func layering() yamldoc.Merger {
	lists := func(path string) yamldoc.Identity {
		if path == "writable" {
			return yamldoc.ByField("path")
		}
		return nil
	}
	return yamldoc.Merger{Lists: lists, Exclusive: func(path string) [][]string {
		if path == "" {
			return [][]string{{"image", "build"}} // a preset's image is not what a service builds
		}
		return choices(path)
	}}
}

// choices are the values of which a service has one.
func choices(path string) [][]string {
	if path == "health" {
		return [][]string{{"command", "shell", "http", "tcp", "none"}}
	}
	if strings.HasPrefix(path, "environment.") {
		return [][]string{{"value", "required", "default"}}
	}
	return nil
}

// inService turns the path of a document into the path within its service: services.app.ports and defaults.ports
// become ports. Other paths stay as they are.
func inService(path string) string {
	rest, ok := strings.CutPrefix(path, "services.")
	if ok {
		_, rest, _ = strings.Cut(rest, ".")
		return rest
	}
	if rest, ok = strings.CutPrefix(path, "defaults."); ok {
		return rest
	}
	return path
}
