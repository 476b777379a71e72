package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/internal/stack"
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
		return platform.CheckMachine(m), nil
	}
	var files []policy.EngineFile
	found, err := host.EngineFiles(socket)
	for _, f := range found {
		files = append(files, policy.EngineFile(f))
	}
	m.Files = witnessed(files, err)
	m.Forwarding = witnessed(host.ForwardRules(ctx))
	if m.Openings != nil {
		m.Nft = witnessed(host.NftRules(ctx))
		m.Filter, m.Filter6 = filterRules(ctx, "iptables", m.Nft), filterRules(ctx, "ip6tables", m.Nft)
		m.Compat = host.FilterInNft(ctx)
	}
	m.LogBounded = witnessed(host.EngineLogSize())
	return platform.CheckMachine(m), nil
}

// filterRules are the rules that a program shows. Where it is not installed, what it would show is in those of nftables.
func filterRules(ctx context.Context, program string, nft policy.Fact[string]) policy.Fact[[]string] {
	rules, err := host.FilterRules(ctx, program)
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

// judgeSources judges the files on this machine that the secrets of each service come from.
func judgeSources(ctx context.Context, l app.Loaded) []finding.Finding {
	var out []finding.Finding
	for _, service := range l.Stack.Services {
		files := map[string]bool{}
		for _, use := range service.Secrets {
			if path := sourceOf(l.Stack, use.Name); path != "" {
				files[path] = true
			}
		}
		if len(files) == 0 {
			continue
		}
		var seen []policy.SourceFile
		var problem error
		for _, path := range sortedKeys(files) {
			full := path
			if !filepath.IsAbs(path) {
				full = filepath.Join(l.Dir(), filepath.FromSlash(path))
			}
			f, err := host.Source(ctx, full)
			if err != nil {
				problem = err
			}
			seen = append(seen, policy.SourceFile{Path: path, Missing: f.Missing, Mode: f.Mode, Owner: f.Owner, Reader: os.Geteuid(), Kept: f.Kept})
		}
		facts := policy.Facts{Service: service.Name}
		facts.Sources = witnessed(seen, problem)
		judged := controls.CheckOne("HSE-SEC-003", facts, l.Stack.Intent(service))
		out = append(out, service.Waive([]finding.Finding{judged})...)
	}
	return app.Located(l, out)
}

// sourceOf is the file that a secret is read from, or nothing. One made of another has that one's.
func sourceOf(s stack.Stack, name string) string {
	for range s.Secrets { // no chain is longer than that
		for _, secret := range s.Secrets {
			if secret.Name != name {
				continue
			}
			if secret.From == "" {
				return strings.TrimSpace(secret.File)
			}
			name = secret.From
			break
		}
	}
	return ""
}
