package release

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// stackStatus is what status shows.
type stackStatus struct {
	Stack    string          `json:"stack"`
	Release  *releaseLine    `json:"release"`
	Cut      string          `json:"cut,omitempty"`  // what an earlier run left open
	Lock     string          `json:"lock,omitempty"` // who deploys now
	Sites    []string        `json:"sites,omitempty"`
	Paused   bool            `json:"maintenance,omitempty"` // the edge shows its maintenance page
	Services []serviceStatus `json:"services"`

	Monitoring *stackStatus `json:"monitoring,omitempty"` // the stack that watches this one
}

type serviceStatus struct {
	Service string   `json:"service"`
	State   string   `json:"state"`
	Well    bool     `json:"well"`
	URLs    []string `json:"urls,omitempty"` // seen from the engine's machine
	Owner   string   `json:"owner,omitempty"`
	Drift   []string `json:"drift,omitempty"`
}

func (s stackStatus) good() bool {
	return s.Cut == "" && (s.Monitoring == nil || s.Monitoring.good()) && !slices.ContainsFunc(s.Services, func(s serviceStatus) bool { return !s.Well || len(s.Drift) > 0 })
}

// Status shows the release that a stack is at, and its services.
func Status(ctx context.Context, g *app.Settings, s app.Streams, format string) error {
	name, err := g.StackName()
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	status, err := newStackStatus(ctx, engine, name)
	if err != nil {
		return err
	}
	monitor, err := newStackStatus(ctx, engine, profile.MonitoringName(name))
	if err != nil {
		return err
	}
	if monitor.Release != nil || len(monitor.Services) > 0 {
		status.Monitoring = &monitor
	}
	if format == "json" {
		err = writeJSON(s.Out, status)
	} else {
		err = status.write(s)
	}
	if err == nil && !status.good() {
		return app.ErrFindings
	}
	return err
}

func newStackStatus(ctx context.Context, engine *docker.Engine, name string) (stackStatus, error) {
	out := stackStatus{Stack: name}
	history, err := engine.History(ctx, name)
	if err != nil {
		return out, err
	}
	holder, age, held, err := engine.Holder(ctx, name)
	if err != nil {
		return out, err
	}
	if held {
		out.Lock = fmt.Sprintf("%s on %s (process %d), last heartbeat %s ago", holder.By, holder.Host, holder.PID, age.Round(time.Second))
	}
	journal, err := engine.Journal(ctx, name)
	if err != nil {
		return out, err
	}
	if journal.Open() && !held {
		out.Cut = fmt.Sprintf("release %d was interrupted at %q by %s on %s", journal.To, journal.Step, journal.Made.By, journal.Made.Host)
	}
	current, ok := history.Current()
	if ok {
		line := newReleaseLine(current, current.Number)
		out.Release = &line
	}
	desired := deploy.Desired{Stack: stack.Stack{Name: name}}
	if ok {
		desired.Last = &current
	}
	observed, err := engine.Observe(ctx, desired)
	if err != nil {
		return out, err
	}
	if edge := current.Release.Model().Edge; edge != nil {
		out.Paused = observed.Maintenance(current.Release)
		for _, site := range edge.Sites {
			out.Sites = append(out.Sites, site.URL)
		}
	}
	conditions := deploy.Compare(current, observed)
	model := current.Release.Model()
	for _, c := range conditions {
		service, _ := model.Service(c.Service)
		out.Services = append(out.Services, serviceStatus{Service: c.Service, State: c.State, Well: c.Well, URLs: addresses(service), Owner: service.Owner, Drift: c.Drift})
	}
	return out, nil
}

func (s stackStatus) write(to app.Streams) error {
	w := tabwriter.NewWriter(to.Out, 0, 0, 2, ' ', 0)
	if r := s.Release; r != nil {
		fmt.Fprintf(w, "stack\t%s\nrelease\t%d, %s by %s@%s, verified: %s\n", s.Stack, r.Release, r.At.Format(time.DateTime), r.By, r.Host, r.Verified)
		for _, reference := range slices.Sorted(maps.Keys(r.Images)) {
			fmt.Fprintf(w, "image\t%s  %s\n", reference, r.Images[reference])
		}
	} else {
		fmt.Fprintf(w, "stack\t%s\nrelease\tnone on this engine\n", s.Stack)
	}
	if len(s.Sites) > 0 {
		fmt.Fprintf(w, "sites\t%s\n", strings.Join(s.Sites, " "))
	}
	if s.Paused {
		fmt.Fprintln(w, "maintenance\ton; end it with: hsectl maintenance off")
	}
	if s.Lock != "" {
		fmt.Fprintf(w, "lock\t%s\n", s.Lock)
	}
	if s.Cut != "" {
		fmt.Fprintf(w, "interrupted\t%s; deploy again, or: hsectl deploy --abort\n", s.Cut)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, service := range s.Services {
		state := strings.Join(append([]string{service.State}, service.Drift...), "; ")
		owner := ""
		if service.Owner != "" {
			owner = "owner: " + service.Owner
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{"  " + service.Service, state, strings.Join(service.URLs, " "), owner}, "\t"), "\t"))
	}
	if err := w.Flush(); err != nil || s.Monitoring == nil {
		return err
	}
	fmt.Fprintln(to.Out)
	return s.Monitoring.write(to)
}

// addresses are where the published ports of a service are reached on the engine's machine.
func addresses(service stack.Service) []string {
	var out []string
	for _, port := range service.Ports {
		scheme := port.Protocol
		also := func(protocol string) bool {
			return slices.ContainsFunc(service.Ports, func(p stack.Port) bool { return p.Host == port.Host && p.Protocol == protocol })
		}
		if scheme == "udp" && also("tcp") || service.Paired(port) {
			continue // HTTP/3, or IPv6, of the same address
		}
		if port.Container == 443 || port.Container == 8443 || also("udp") {
			scheme = "https"
		} else if port.Protocol == "tcp" {
			scheme = "http"
		}
		out = append(out, fmt.Sprintf("%s://%s:%d", scheme, port.Address, port.Host))
	}
	return out
}

// showAddresses says where to look after monitoring was deployed.
func showAddresses(s app.Streams, monitor app.Loaded) error {
	for _, service := range monitor.Stack.Services {
		if where := addresses(service); len(where) > 0 {
			s.Say("%-14s %s", service.Name, strings.Join(where, " "))
		}
	}
	if _, ok := monitor.Stack.Service("grafana"); ok {
		s.Say("Grafana's user is admin; its password: docker exec %s-grafana-1 cat /run/secrets/%s",
			monitor.Stack.Name, monitor.Profile.Monitoring.GrafanaPassword)
	}
	return nil
}
