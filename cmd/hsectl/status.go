package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/stack"
)

func newStatus(g *globals, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs, and where to look",
		Long: `Status lists the services of the stack, and of the stack that watches it, with the state that the engine reports
and the addresses that they publish. It judges nothing: that is what verify does.`,
		Example: `  hsectl status
  hsectl status --host ssh://deploy@web1   # addresses are those of that machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), g, s) },
	}
}

func runStatus(ctx context.Context, g *globals, s streams) error {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	stacks := []loaded{l}
	if beside, ok, err := l.watching(nil); err != nil {
		return err
	} else if ok {
		stacks = append(stacks, beside)
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	for _, one := range stacks {
		states, err := engine.States(ctx, one.stack.Name)
		if err != nil {
			return err
		}
		if err := showStates(s.Out, one.stack, states); err != nil {
			return err
		}
	}
	return nil
}

func showStates(w io.Writer, of stack.Stack, states map[string]string) error {
	fmt.Fprintln(w, of.Name)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, service := range of.Services {
		state := states[service.Name]
		if state == "" {
			state = "not deployed"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", service.Name, state, addresses(service))
	}
	return table.Flush()
}

// addresses are where a browser finds the service.
func addresses(service stack.Service) string {
	out := ""
	for _, port := range service.Ports {
		out += fmt.Sprintf("http://%s:%d ", port.Address, port.Host)
	}
	return out
}

// showAddresses says where to look after monitoring was deployed.
func showAddresses(s streams, beside loaded) error {
	for _, service := range beside.stack.Services {
		if where := addresses(service); where != "" {
			s.say("%-14s %s", service.Name, where)
		}
	}
	if _, ok := beside.stack.Service("grafana"); ok {
		s.say("Grafana's user is admin; its password: docker exec %s-grafana-1 cat /run/secrets/%s",
			beside.stack.Name, beside.profile.Monitoring.GrafanaPassword)
	}
	return nil
}
