package controls_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// What the text of a stack leaves open is unknown; what it already says against a control that is judged on the running
// container fails without one.
func TestWhatTheTextSays(t *testing.T) {
	one := func(processes ...policy.Process) policy.Facts {
		return policy.Facts{Processes: policy.Seen(processes, finding.Declared)}
	}
	on := func(networks ...policy.Network) policy.Facts {
		return policy.Facts{Networks: policy.Seen(networks, finding.Declared)}
	}
	surface := func(s policy.Surface) policy.Facts { return policy.Facts{Surface: s} }
	volume := func(m policy.Mount) policy.Facts {
		return policy.Facts{Mounts: policy.Seen([]policy.Mount{m}, finding.Declared)}
	}
	own := policy.Process{Name: "own", UIDs: [4]int{7, 7, 7, 7}, GIDs: [4]int{7, 7, 7, 7}}
	named := policy.Process{Name: "named", NoUser: "only the image knows it"}
	root := policy.Process{Name: "root"}
	grouped := own
	grouped.NoGroup = "only the image knows the group"
	as := policy.Intent{UID: 7, GID: 7}
	elsewhere := policy.Mount{Path: "/data", Kind: "volume", Writable: true, External: true}
	for name, c := range map[string]struct {
		control string
		facts   policy.Facts
		intent  policy.Intent
		want    finding.Status // NotApplicable stands for no answer
		detail  string
	}{
		"a user that only the image knows":             {"HSE-USR-001", one(named), as, finding.Unknown, "only the image knows it"},
		"one that is known is root":                    {"HSE-USR-001", one(named, root), as, finding.Fail, "process root"},
		"the declared user is not known":               {"HSE-USR-004", one(own, named), as, finding.Unknown, "only the image knows it"},
		"a group that only the image knows":            {"HSE-USR-002", one(grouped), as, finding.Unknown, "the group"},
		"the user is known all the same":               {"HSE-USR-001", one(grouped), as, finding.Pass, ""},
		"a network that is made elsewhere":             {"HSE-NET-005", on(policy.Network{Name: "a", External: true}), as, finding.Unknown, "network a is created outside this stack"},
		"another one leads out":                        {"HSE-NET-005", on(policy.Network{Name: "a", External: true}, policy.Network{Name: "b"}), as, finding.Fail, "network b"},
		"a way out is declared":                        {"HSE-NET-005", on(policy.Network{Name: "a", External: true}), policy.Intent{Egress: true}, finding.Pass, ""},
		"a volume that is made elsewhere":              {"HSE-FS-005", volume(elsewhere), policy.Intent{Writable: []policy.Mount{{Path: "/data"}}}, finding.Unknown, "/data is created outside this stack"},
		"a volume made elsewhere, as the profile says": {"HSE-FS-005", volume(elsewhere), policy.Intent{Writable: []policy.Mount{elsewhere}}, finding.Pass, ""},
		"opting out of the security module":            {"HSE-KRN-003", surface(policy.Surface{Confined: policy.Seen("unconfined", finding.Declared)}), as, finding.Fail, "opts out"},
		"the module's own profile":                     {"HSE-KRN-003", surface(policy.Surface{Confined: policy.Seen("default", finding.Declared)}), as, finding.NotApplicable, ""},
		"never killed for memory":                      {"HSE-RES-006", surface(policy.Surface{OOM: policy.Seen(policy.OOM{Disabled: true}, finding.Declared)}), as, finding.Fail, "stops the host"},
		"killed after others":                          {"HSE-RES-006", surface(policy.Surface{OOM: policy.Seen(policy.OOM{Score: -1}, finding.Declared)}), as, finding.Fail, "others are killed"},
		"killed first":                                 {"HSE-RES-006", surface(policy.Surface{OOM: policy.Seen(policy.OOM{Score: 500}, finding.Declared)}), as, finding.NotApplicable, ""},
		"something that is not judged":                 {"HSE-OPS-010", surface(policy.Surface{Unjudged: policy.Seen([]string{"novelty"}, finding.Declared)}), as, finding.Unknown, "no control judges novelty"},
		"everything is judged":                         {"HSE-OPS-010", surface(policy.Surface{Unjudged: policy.Seen([]string(nil), finding.Declared)}), as, finding.NotApplicable, ""},
		"a metadata service of Azure":                  {"HSE-NET-008", surface(policy.Surface{ExtraHosts: policy.Seen([]string{"meta:168.63.129.16"}, finding.Declared)}), as, finding.Fail, "meta leads to"},
		"a metadata service by IPv6":                   {"HSE-NET-008", surface(policy.Surface{ExtraHosts: policy.Seen([]string{"meta=[fd00:ec2::254]"}, finding.Declared)}), as, finding.Fail, "meta leads to"},
	} {
		t.Run(name, func(t *testing.T) {
			status, detail := finding.NotApplicable, ""
			for _, f := range controls.Check(c.facts, c.intent, false) {
				if f.Control == c.control {
					status, detail = f.Status, f.Detail
				}
			}
			if status != c.want || !strings.Contains(detail, c.detail) {
				t.Errorf("%s is %s (%s), want %s", c.control, status, detail, c.want)
			}
		})
	}
}
