package size

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// Promise is an amount of memory that a service promises its own runtime.
type Promise struct {
	Name  string // of the flag
	Text  string // as it is written
	Bytes int64
	Share int64 // percent of the memory limit that it may be at most
	// Hard says that a runtime with less than it needs fails or forgets: out of memory, refused writes, evicted keys. One that is not hard
	// gets slower.
	Hard bool
	// Moves says that the flag follows the memory limit.
	Moves bool
}

// flag is a way in which a runtime is told how much memory it has. The pattern finds a number and its unit.
type flag struct {
	name    string
	pattern *regexp.Regexp
	unit    string // of a number without one
	share   int64
	hard    bool
}

// flags are the known ones. Shares are what leaves room for what the number does not count:
//   - a heap of V8 or of a JVM is three quarters at most: code, stacks and buffers are outside of it;
//   - Go's limit counts what its runtime manages, and wants 5 to 10 percent of headroom (https://go.dev/doc/gc-guide#Suggested_uses);
//   - Redis forks to save, and pages that change meanwhile are copied (https://redis.io/docs/latest/operate/oss_and_stack/management/admin/);
//   - more than 40 percent for shared_buffers is unlikely to be better (https://www.postgresql.org/docs/current/runtime-config-resource.html);
//   - up to 80 percent for the buffer pool (https://dev.mysql.com/doc/refman/8.4/en/innodb-buffer-pool-resize.html);
//   - memcached counts items only, RabbitMQ blocks publishers at its watermark and needs room to page out.
var flags = []flag{
	{"--max-old-space-size", regexp.MustCompile(`--max[-_]old[-_]space[-_]size[= ](\d+)()`), "m", 75, true},
	{"-Xmx", regexp.MustCompile(`-Xmx(\d+)([kKmMgG]?)`), "", 75, true},
	{"GOMEMLIMIT", regexp.MustCompile(`\bGOMEMLIMIT=(\d+)([KMGT]i)?B?`), "", 95, true},
	{"maxmemory", regexp.MustCompile(`(?:^|\s)--?maxmemory[ =](\d+)([kKmMgG]?)b?`), "", 75, true},
	{"shared_buffers", regexp.MustCompile(`\bshared_buffers=(\d+)([kMGT]B)`), "", 40, false},
	{"innodb_buffer_pool_size", regexp.MustCompile(`--innodb[-_]buffer[-_]pool[-_]size=(\d+)([KMG]?)`), "", 80, false},
	{"memcached -m", regexp.MustCompile(`\bmemcached\b.*\s-m (\d+)()`), "m", 90, true},
	{"vm_memory_high_watermark", regexp.MustCompile(`vm_memory_high_watermark \{absolute,(\d+)()\}`), "", 75, true},
}

// ofLimit finds runtimes that compute their heap from the limit themselves.
var ofLimit = regexp.MustCompile(`-XX:MaxRAMPercentage=(\d{1,3}(?:\.\d+)?)`)

// Promises returns what a service promises its runtime, in its command, its environment and its shared memory.
func Promises(s stack.Service) []Promise {
	texts := []string{strings.Join(append(append([]string{}, s.Entrypoint...), s.Command...), " ")}
	for _, v := range s.Environment {
		texts = append(texts, v.Name+"="+v.Value)
	}
	var out []Promise
	for _, text := range texts {
		for _, f := range flags {
			m := f.pattern.FindStringSubmatch(text)
			if m == nil {
				continue
			}
			if bytes, ok := amount(m[1], m[2], f.unit); ok {
				out = append(out, Promise{Name: f.name, Text: strings.TrimSpace(m[0]), Bytes: bytes, Share: f.share, Hard: f.hard})
			}
		}
		if m := ofLimit.FindStringSubmatch(text); m != nil {
			if percent, err := strconv.ParseFloat(m[1], 64); err == nil && percent > 0 && percent <= 100 {
				out = append(out, Promise{Name: "-XX:MaxRAMPercentage", Text: m[0], Bytes: int64(float64(s.Limits.Memory.Bytes) * percent / 100), Share: 75, Hard: true})
			}
		}
	}
	if s.ShmSize.Bytes > 0 {
		out = append(out, Promise{Name: "shm_size", Text: "shm_size " + s.ShmSize.Text, Bytes: s.ShmSize.Bytes, Share: 100})
	}
	return out
}

// Moving returns the promises of a service, with those marked that follow its memory limit: other is the same service with another limit.
func Moving(s, other stack.Service) []Promise {
	out, others := Promises(s), Promises(other)
	if len(out) != len(others) {
		return out // whatever that is, it counts as written
	}
	for i := range out {
		out[i].Moves = out[i].Name == others[i].Name && out[i].Bytes != others[i].Bytes
	}
	return out
}

// amount reads a number and its unit, all of which are powers of 1024 here.
func amount(number, unit, without string) (int64, bool) {
	n, err := strconv.ParseInt(number, 10, 64)
	if unit == "" {
		unit = without
	}
	shift := map[string]int{"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[strings.TrimRight(strings.ToLower(unit), "ib")]
	if err != nil || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

// floor is the least memory limit under which a promise can be kept, with the reason; 0 where it asks for none. Need is what the runtime
// was seen to use, in bytes.
func (p Promise) floor(now int64, need float64) (int64, string) {
	if !p.Moves {
		return ceilDiv(p.Bytes*100, p.Share), fmt.Sprintf("%s may be %d %% of it at most", p.Text, p.Share)
	}
	if !p.Hard || p.Bytes <= 0 || now <= 0 {
		return 0, ""
	}
	// The flag is a share of the limit. It must still hold what was used, and never needs to be more than it is.
	held := min(need, float64(p.Bytes))
	return int64(math.Ceil(held * float64(now) / float64(p.Bytes))), fmt.Sprintf("%s is %.0f %% of it and must hold %s", p.Name, 100*float64(p.Bytes)/float64(now), Bytes(int64(held)))
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
