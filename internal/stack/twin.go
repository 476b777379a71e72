package stack

import "slices"

// Twin returns a throw-away copy of one service and all it depends on, as a stack of another name: one container of each,
// networks and volumes of its own, nothing published, nothing shared with the original.
func (s Stack) Twin(name, service string) Stack {
	wanted := map[string]bool{}
	var want func(string)
	want = func(n string) {
		found, ok := s.Service(n)
		if !ok || wanted[n] {
			return
		}
		wanted[n] = true
		for _, d := range found.DependsOn {
			want(d.Service)
		}
	}
	want(service)
	out := Stack{Name: name, Secrets: s.Secrets}
	for _, original := range s.Services {
		if !wanted[original.Name] {
			continue
		}
		copied := original
		copied.Ports, copied.Replicas = nil, 1
		copied.Restart = "no" // a twin that dies must be seen dead
		copied.Build = nil
		out.Services = append(out.Services, copied)
	}
	for _, n := range s.Networks {
		if slices.ContainsFunc(out.Services, func(c Service) bool { return slices.Contains(c.Networks, n.Name) }) {
			out.Networks = append(out.Networks, Network{Name: n.Name, Internal: true})
		}
	}
	for _, v := range s.Volumes {
		if slices.ContainsFunc(out.Services, func(c Service) bool {
			return slices.ContainsFunc(c.Volumes(), func(w Writable) bool { return w.Volume == v.Name })
		}) {
			out.Volumes = append(out.Volumes, Volume{Name: v.Name})
		}
	}
	return out
}
