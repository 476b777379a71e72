package controls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// mostNeighbours bounds what is said of containers that share something.
const mostNeighbours = 8

func neighbours() []policy.Control {
	return []policy.Control{
		{ID: "HSE-OPS-017", Title: "Only declared containers share something with the service", Severity: finding.High, Runtime: true,
			Rationale:  "A container on the same network, in the same namespace, on the same volume or under the same name reads what the service says and answers in its place, whatever its labels are.",
			References: []string{"NIST SP 800-190 4.4.5", "CIS 6.2"},
			Remedy:     "remove the container, or declare what it is for in the profile",
			Applies:    func(f policy.Facts) bool { return f.Neighbours.Known() || f.Neighbours.Why != "" },
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.Neighbours.Known() {
					return policy.Unknown(f.Neighbours, "the other containers of the engine")
				}
				var all []string
				for i, n := range f.Neighbours.Value {
					if i == mostNeighbours {
						all = append(all, fmt.Sprintf("and %d more", len(f.Neighbours.Value)-i))
						break
					}
					all = append(all, fmt.Sprintf("container %s %s", n.Container, n.Shares))
				}
				only := !slices.ContainsFunc(f.Neighbours.Value, func(n policy.Neighbour) bool { return !n.Machine })
				if len(all) > 0 && only {
					return policy.Advise(f.Neighbours.Tier, strings.Join(all, "; "))
				}
				if len(all) > 0 {
					return policy.Fail(f.Neighbours.Tier, "%s", strings.Join(all, "; "))
				}
				return policy.Pass(f.Neighbours.Tier, "no other container shares a network, a namespace, a volume, a port or a name with it")
			}},
	}
}
