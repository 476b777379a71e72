package controls_test

import (
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// intrusions are ways in which something appears in a running container that nothing rendered puts there.
func intrusions() []broken {
	const fail, unknown, pass = finding.Fail, finding.Unknown, finding.Pass
	list := map[string]func(*policy.Facts) *policy.Fact[[]string]{
		"HSE-NS-007":  func(f *policy.Facts) *policy.Fact[[]string] { return &f.Strangers },
		"HSE-NET-011": func(f *policy.Facts) *policy.Fact[[]string] { return &f.Wiring },
		"HSE-NET-012": func(f *policy.Facts) *policy.Fact[[]string] { return &f.Names },
		"HSE-FS-012":  func(f *policy.Facts) *policy.Fact[[]string] { return &f.Special },
		"HSE-KRN-011": func(f *policy.Facts) *policy.Fact[[]string] { return &f.Openable },
	}
	var out []broken
	for id, of := range list {
		out = append(out,
			broken{id, "one", shape(func(f *policy.Facts) { of(f).Value = []string{"x"} }), fail, "x"},
			broken{id, "many", shape(func(f *policy.Facts) { of(f).Value = slices.Repeat([]string{"x"}, 11) }), fail, "and 3 more"},
			broken{id, "blind", shape(func(f *policy.Facts) { *of(f) = policy.Unseen[[]string]("it was not seen") }), unknown, "it was not seen"})
	}
	top := func(change func(*policy.Top)) func(*policy.Facts, *policy.Intent) {
		return shape(func(f *policy.Facts) {
			f.Tops.Value = slices.Clone(f.Tops.Value)
			change(&f.Tops.Value[0])
		})
	}
	return append(out,
		broken{"HSE-FS-013", "another owner", top(func(t *policy.Top) { t.UID = 0 }), fail, "/data belongs to 0:1000, not to 1000:1000"},
		broken{"HSE-FS-013", "another group", top(func(t *policy.Top) { t.GID = 0 }), fail, "/data belongs to 1000:0"},
		broken{"HSE-FS-013", "another mode", top(func(t *policy.Top) { t.Mode = 0o755 }), fail, "/data has mode 0755, not 0700"},
		broken{"HSE-FS-013", "as the image has it", top(func(t *policy.Top) { t.Mode, t.GID, t.Prepared = 0o755, 0, false }), pass, ""},
		broken{"HSE-FS-013", "written by others", top(func(t *policy.Top) { t.Mode, t.Prepared = 0o775, false }), fail, "mode 0775"},
		broken{"HSE-FS-013", "another volume", top(func(t *policy.Top) { t.Path = "/x" }), unknown, "the volume at /data could not be seen"},
		broken{"HSE-FS-013", "no volume", func(_ *policy.Facts, in *policy.Intent) { in.Tops = nil }, finding.NotApplicable, "no volume"},
		broken{"HSE-FS-013", "blind", blind(func(f *policy.Facts) *policy.Fact[[]policy.Top] { return &f.Tops }), unknown, "the volumes"},
		broken{"HSE-NET-007", "datagrams", shape(func(f *policy.Facts) { f.UDP.Value = []int{5353} }), fail, "port 5353/udp is open but not declared"},
		broken{"HSE-NET-007", "no datagrams", func(f *policy.Facts, in *policy.Intent) { f.UDP.Value, in.ListenUDP = nil, []int{53} }, fail, "port 53/udp is declared but not open"},
		broken{"HSE-NET-007", "published datagrams", func(f *policy.Facts, in *policy.Intent) {
			f.UDP.Value, in.ListenUDP, in.Ports = []int{53, 514}, []int{53}, append(slices.Clone(in.Ports), policy.Port{Container: 514, Protocol: "udp"})
		}, pass, ""},
		broken{"HSE-NET-007", "a range of clients that is larger", shape(func(f *policy.Facts) {
			f.UDP.Value, f.Sysctls.Value = []int{5353}, []string{"net.ipv4.ip_local_port_range"}
		}), pass, ""},
		broken{"HSE-NET-007", "datagrams that are not seen", shape(func(f *policy.Facts) { f.UDP = policy.Unseen[[]int]("too many") }), unknown, "the UDP sockets: too many"},
	)
}
