package verify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// WatchAnswer is what one part of the monitoring said, as JSON, or why it said nothing.
type WatchAnswer struct{ Body, Why string }

// Addresses at which the parts are asked, over Prometheus' network.
const (
	askQuery     = "http://127.0.0.1:9090/api/v1/query?query="
	AskRules     = "http://127.0.0.1:9090/api/v1/rules?type=alert"
	AskReceivers = "http://alertmanager:9093/api/v2/receivers"
)

// missedScrapes is how many scrapes in a row must fail before a target counts as silent, as for the alert TargetDown: one that
// failed on a busy machine says little.
const missedScrapes = 4

// AskUp returns the address at which Prometheus says whether its targets have answered lately. It scrapes them at an interval.
func AskUp(interval time.Duration) string {
	return askQuery + url.QueryEscape(fmt.Sprintf("max_over_time(up[%dms])", (missedScrapes*interval).Milliseconds()))
}

// Watched is how a stack is watched as the running parts themselves say: what they were asked is AskUp, AskRules and
// AskReceivers. What is declared says what to look for.
func Watched(declared policy.Monitoring, stack string, up, rules, receivers WatchAnswer) policy.Monitoring {
	out := declared
	out.Services = watchedServices(declared.Services.Value, stack, up)
	out.Alerts = runningAlerts(rules, receivers)
	return out
}

type promAnswer struct {
	Status string `json:"status"`
	Data   struct {
		Result []struct {
			Metric map[string]string `json:"metric"`
			Value  [2]any            `json:"value"` // time, and the number as text
		} `json:"result"`
		Groups []struct {
			Rules []struct {
				Name   string `json:"name"`
				Health string `json:"health"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"data"`
}

func (a WatchAnswer) read() (promAnswer, string) {
	var out promAnswer
	if a.Why != "" {
		return out, a.Why
	}
	if err := json.Unmarshal([]byte(a.Body), &out); err != nil || out.Status != "success" {
		return out, "the answer of Prometheus cannot be read"
	}
	return out, ""
}

func watchedServices(declared []policy.MonitoredService, stack string, up WatchAnswer) policy.Fact[[]policy.MonitoredService] {
	answer, why := up.read()
	if why != "" {
		return policy.Unseen[[]policy.MonitoredService](why)
	}
	var out []policy.MonitoredService
	for _, service := range declared {
		for _, job := range service.Jobs {
			asked := false
			for _, r := range answer.Data.Result {
				m := r.Metric
				if m["stack"] != stack || !strings.HasPrefix(m["job"], job) || m["service"] != service.Service && m["service"] != job {
					continue
				}
				asked = true
				if r.Value[1] != "1" {
					service.Silent = append(service.Silent, display.Name(m["instance"]))
				}
			}
			if !asked {
				service.Silent = append(service.Silent, job+" is not scraped")
			}
		}
		out = append(out, service)
	}
	return policy.Seen(out, finding.Behaved)
}

func runningAlerts(rules, receivers WatchAnswer) policy.Fact[policy.Alerts] {
	answer, why := rules.read()
	if why != "" {
		return policy.Unseen[policy.Alerts](why)
	}
	var out policy.Alerts
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			if r.Health != "err" && !slices.Contains(out.Rules, display.Name(r.Name)) {
				out.Rules = append(out.Rules, display.Name(r.Name))
			}
		}
	}
	var names []struct {
		Name string `json:"name"`
	}
	switch {
	case receivers.Why != "":
		return policy.Unseen[policy.Alerts](receivers.Why)
	case receivers.Body == "": // Alertmanager cannot be queried
	default:
		if err := json.Unmarshal([]byte(receivers.Body), &names); err != nil {
			return policy.Unseen[policy.Alerts](fmt.Sprintf("the answer of Alertmanager cannot be read: %v", err))
		}
	}
	for _, n := range names {
		if n.Name != NoReceiver {
			out.Receivers = append(out.Receivers, display.Name(n.Name))
		}
	}
	return policy.Seen(out, finding.Effective)
}

// NoReceiver is the name of Alertmanager's receiver of what no receiver wants.
const NoReceiver = "nobody"
