package verify

import (
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// CgroupFiles are the files of a control group that a probe reads, by controller; version 2 has none and comes first
// (kernel: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/).
func CgroupFiles() map[string][]string {
	return map[string][]string{
		"":       {"memory.max", "memory.swap.max", "pids.max", "cpu.max", "memory.events", "memory.peak"},
		"memory": {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control", "memory.max_usage_in_bytes"},
		"pids":   {"pids.max"},
		"cpu":    {"cpu.cfs_quota_us", "cpu.cfs_period_us"},

		"devices": {"devices.list"},
	}
}

// unlimitedV1 is the least value that version 1 shows for no limit: the largest multiple of a page below 2^63.
const unlimitedV1 = 1 << 62

type cgroup map[string]string

func (c cgroup) number(name string) (int64, bool) {
	text, ok := c[name]
	if !ok {
		return 0, false
	}
	text = strings.TrimSpace(text)
	if text == "max" {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, false
	}
	if n >= unlimitedV1 || n < 0 {
		n = 0
	}
	return n, true
}

// limits fills the facts about resources from the kernel; what it cannot see keeps the engine's word.
func (c cgroup) limits(f *policy.Facts) {
	effective := func(n int64) policy.Fact[int64] { return policy.Seen(n, finding.Effective) }
	if n, ok := c.number("memory.max"); ok {
		f.Memory = effective(n)
		if s, ok := c.number("memory.swap.max"); ok {
			total := n + s
			if strings.TrimSpace(c["memory.swap.max"]) == "max" {
				total = 0
			}
			f.MemorySwap = effective(total)
		}
	}
	if n, ok := c.number("memory.limit_in_bytes"); ok {
		f.Memory = effective(n)
	}
	if n, ok := c.number("memory.memsw.limit_in_bytes"); ok {
		f.MemorySwap = effective(n)
	}
	if n, ok := c.number("pids.max"); ok {
		f.PIDs = effective(n)
	}
	if quota, ok := c.number("cpu.cfs_quota_us"); ok {
		if period, ok := c.number("cpu.cfs_period_us"); ok && period > 0 {
			f.CPUs = policy.Seen(float64(quota)/float64(period), finding.Effective)
		}
	}
	if fields := strings.Fields(c["cpu.max"]); len(fields) == 2 {
		quota, errQ := strconv.ParseFloat(fields[0], 64)
		period, errP := strconv.ParseFloat(fields[1], 64)
		switch {
		case fields[0] == "max":
			f.CPUs = policy.Seen(0.0, finding.Effective)
		case errQ == nil && errP == nil && period > 0:
			f.CPUs = policy.Seen(quota/period, finding.Effective)
		}
	}
	if n, ok := c.oomKills(); ok {
		f.OOMKilled = policy.Seen(n > 0 || f.OOMKilled.Value, finding.Effective)
	}
}

// outside notes what limits nothing because the container is in no group of its own. The root of a hierarchy has no files for
// limits, and an engine that makes no groups, as one without root does on version 1, still repeats what it was asked for.
func (c cgroup) outside(f *policy.Facts, groups string) {
	if len(c) == 0 { // it could not be checked
		return
	}
	v2 := strings.HasPrefix(groups, "0::")
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || parts[2] != "/" || parts[1] == "" && !v2 {
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			if _, limited := c["pids.max"]; !limited && (v2 || controller == "pids") {
				f.PIDs = policy.Seen[int64](0, finding.Effective)
			}
			if _, limited := c["cpu.cfs_quota_us"]; !limited && !v2 && controller == "cpu" {
				f.CPUs = policy.Seen(0.0, finding.Effective)
			}
			if _, limited := c["cpu.max"]; !limited && v2 {
				f.CPUs = policy.Seen(0.0, finding.Effective)
			}
			if _, limited := c["memory.max"]; !limited && v2 {
				f.Memory, f.MemorySwap = policy.Seen[int64](0, finding.Effective), policy.Seen[int64](0, finding.Effective)
			}
		}
	}
}

// oomKills counts the processes that the kernel killed for memory: a child's death does not reach the engine's record.
func (c cgroup) oomKills() (int64, bool) {
	for _, name := range []string{"memory.events", "memory.oom_control"} {
		for line := range strings.Lines(c[name]) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key == "oom_kill" {
				n, err := strconv.ParseInt(value, 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// MemoryKills are the processes of the container that the kernel has killed for memory; 0 where it does not count them.
func (d *Dump) MemoryKills() int64 {
	n, _ := cgroup(d.Cgroup).oomKills()
	return n
}
