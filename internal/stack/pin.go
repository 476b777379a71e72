package stack

// Pinned returns the stack with the references that a lock has for its services. Services without one keep theirs.
func (s Stack) Pinned(references map[string]string) Stack {
	services := make([]Service, len(s.Services))
	copy(services, s.Services)
	for i, service := range services {
		if reference, ok := references[service.Name]; ok {
			services[i].Image = reference
		}
	}
	s.Services = services
	return s
}
