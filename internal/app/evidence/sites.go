package evidence

import (
	"context"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// judgeSites speaks TLS with each site of the edge as a visitor does, where the edge's ports are on this machine.
func judgeSites(ctx context.Context, l app.Loaded, engine *docker.Engine) []finding.Finding {
	if l.Stack.Edge == nil {
		return nil
	}
	service, ok := l.Stack.Service(l.Stack.Edge.Service)
	if !ok {
		return nil
	}
	_, here := engine.Socket()
	sites := l.Stack.Sites(service)
	for i, s := range sites {
		if s.TLS == "off" {
			continue
		}
		sites[i].Looked = true
		if !here {
			sites[i].Seen = policy.Unseen[policy.Handshake]("the engine is on another machine; probe from outside: hsectl probe tls://" + s.Name)
			continue
		}
		h, err := ask.ShakeHands(ctx, s.Address, s.Name)
		sites[i].Seen = policy.Seen(policy.Handshake(h), finding.Behaved)
		if err != nil {
			sites[i].Seen = policy.Unseen[policy.Handshake](err.Error())
		}
	}
	facts := policy.Facts{Service: service.Name, Sites: policy.Seen(sites, finding.Declared)}
	return app.Located(l, service.Waive([]finding.Finding{controls.CheckOne("HSE-OPS-003", facts, l.Stack.Intent(service))}))
}
