package evidence

import (
	"context"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/internal/probe"
)

// judgeMachine judges the engine, and its machine where that is this one.
func judgeMachine(ctx context.Context, l app.Loaded, engine *docker.Engine) ([]finding.Finding, error) {
	m, err := engine.Machine(ctx)
	if err != nil {
		return nil, err
	}
	m.Openings = l.Stack.Openings()
	socket, here := engine.Socket()
	if !here {
		const why = "the engine is on another machine"
		m.Files, m.Forwarding, m.LogBounded = policy.Unseen[[]policy.EngineFile](why), policy.Unseen[[]string](why), policy.Unseen[bool](why)
		m.Filter, m.Filter6, m.Nft = policy.Unseen[[]string](why), policy.Unseen[[]string](why), policy.Unseen[string](why)
		return platform.CheckMachine(m, l.Known.Engine, l.Now), nil
	}
	var files []policy.EngineFile
	found, err := probe.EngineFiles(socket)
	for _, f := range found {
		files = append(files, policy.EngineFile(f))
	}
	m.Files = witnessed(files, err)
	m.Forwarding = witnessed(probe.ForwardRules(ctx))
	if m.Openings != nil || len(m.Loopback.Value) > 0 {
		m.Nft = witnessed(probe.NftRules(ctx))
		m.Filter, m.Filter6 = filterRules(ctx, "iptables", m.Nft), filterRules(ctx, "ip6tables", m.Nft)
		m.Compat = probe.FilterInNft(ctx)
	}
	m.LogBounded = witnessed(probe.EngineLogSize())
	return platform.CheckMachine(m, l.Known.Engine, l.Now), nil
}

// filterRules are the rules that a program shows. Where it is not installed, what it would show is in those of nftables.
func filterRules(ctx context.Context, program string, nft policy.Fact[string]) policy.Fact[[]string] {
	rules, err := probe.FilterRules(ctx, program)
	if host.NotInstalled(err) && nft.Value != "" {
		return policy.Seen[[]string](nil, finding.Effective)
	}
	return witnessed(rules, err)
}

// witnessed is what this machine itself shows, or why it does not.
func witnessed[T any](v T, err error) policy.Fact[T] {
	if err != nil {
		return policy.Unseen[T](err.Error())
	}
	return policy.Seen(v, finding.Effective)
}
