package review

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/profile"
)

// receivers compares who is told about alerts. One that only has another name is paired with itself.
func (c *comparison) receivers() {
	var old, now []profile.Receiver
	if c.base.Monitoring != nil {
		old = slices.Clone(c.base.Monitoring.Receivers)
	}
	if c.head.Monitoring != nil {
		now = c.head.Monitoring.Receivers
	}
	first := len(old) == 0
	var fresh []int
	for i, r := range now {
		if j := slices.IndexFunc(old, func(o profile.Receiver) bool { return o.Name == r.Name }); j >= 0 {
			c.receiver(i, old[j], r)
			old = slices.Delete(old, j, j+1)
			continue
		}
		fresh = append(fresh, i)
	}
	for _, i := range fresh {
		j := slices.IndexFunc(old, func(o profile.Receiver) bool { return destination(o) == destination(now[i]) })
		if j >= 0 {
			c.watch(Change{Control: controlAlerts, What: "name of a receiver", Old: old[j].Name, New: now[i].Name, Key: fmt.Sprintf("receivers[%d]", i), Reason: "the same reader is told"})
			c.receiver(i, old[j], now[i])
			old = slices.Delete(old, j, j+1)
			continue
		}
		change := Change{Control: controlAlerts, Direction: Stronger, Severity: finding.Low, What: "receiver", New: receiverText(now[i]), Key: fmt.Sprintf("receivers[%d]", i), Reason: "one more reader is told about alerts"}
		if first {
			change.Severity, change.Reason = finding.Medium, "somebody is told about alerts"
		}
		c.watch(change)
	}
	for _, r := range old {
		change := Change{Control: controlAlerts, Direction: Weaker, Severity: finding.Low, What: "receiver", Old: receiverText(r), Key: "receivers", Reason: "one reader less is told about alerts"}
		if len(now) == 0 {
			change.Severity, change.Reason = finding.Medium, "alerts fire, and nobody is told"
		}
		c.watch(change)
	}
}

// receiver compares one that was there before.
func (c *comparison) receiver(i int, old, now profile.Receiver) {
	key := fmt.Sprintf("receivers[%d]", i)
	if a, b := destination(old), destination(now); a != b {
		c.watch(Change{Control: controlAlerts, Severity: finding.Medium, What: "receiver " + now.Name, Old: a, New: b, Key: key, Reason: "alerts go elsewhere; see that somebody reads them there"})
	}
	was, is := cmp.Or(old.Severity, "all"), cmp.Or(now.Severity, "all")
	switch {
	case was == is:
		return
	case is == "all":
		c.watch(Change{Control: controlAlerts, Direction: Stronger, Severity: finding.Low, What: "alerts for " + now.Name, Old: was, New: is, Key: key + ".severity", Reason: "it is told about warnings, too"})
	default:
		change := Change{Control: controlAlerts, Direction: Weaker, Severity: finding.Low, What: "alerts for " + now.Name, Old: was, New: is, Key: key + ".severity", Reason: "it is not told about warnings any more"}
		if !slices.ContainsFunc(c.head.Monitoring.Receivers, func(r profile.Receiver) bool { return cmp.Or(r.Severity, "all") == "all" }) {
			change.Severity, change.Reason = finding.Medium, "nobody is told about warnings any more"
		}
		c.watch(change)
	}
}

// destination says where a receiver is told: the name of a secret, never its value.
func destination(r profile.Receiver) string {
	switch {
	case r.Webhook != "":
		return "webhook of secret " + r.Webhook
	case r.Slack != nil:
		return strings.TrimSpace("slack of secret " + r.Slack.URL + " " + r.Slack.Channel)
	case r.Email != nil:
		return "mail to " + r.Email.To + " by " + r.Email.Server
	}
	return ""
}

func receiverText(r profile.Receiver) string {
	return fmt.Sprintf("%s: %s, %s alerts", r.Name, destination(r), cmp.Or(r.Severity, "all"))
}
