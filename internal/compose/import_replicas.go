package compose

// replicas moves the number of containers. Where only one can be, it is asked what to do.
func (m *moving) replicas() {
	n := m.s.GetScale()
	m.take("scale")
	deploy, _ := m.rest["deploy"].(map[string]any)
	delete(deploy, "replicas")
	single, _ := m.preset["single"].(string)
	switch {
	case n == 1:
	case n < 1:
		m.ask("%s has no container of it: should it run? If not, leave it out", m.t.Source)
	case single != "":
		m.ask("%s has %d containers of it, and its preset knows one only: %s", m.t.Source, n, single)
	case len(m.s.Ports) > 0:
		m.ask("%s has %d containers of it, and only one can have a port of the host: put it behind the edge, and write replicas: %[2]d", m.t.Source, n)
	case m.s.Hostname != "":
		m.ask("%s has %d containers of it with one hostname: drop that, and write replicas: %[2]d", m.t.Source, n)
	default:
		m.out.set("replicas", n)
		for _, v := range m.s.Volumes {
			if v.Type == "volume" && v.Source != "" && !v.ReadOnly {
				m.several[v.Source] = true
			}
		}
	}
}
