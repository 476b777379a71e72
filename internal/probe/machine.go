package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/host"
)

// EngineFile is a file or a socket of the engine on this machine.
type EngineFile struct {
	Path  string
	Mode  int
	Owner int // uid
	Group string
	Most  int // bits that may be set
}

// EngineFiles looks at the files that configure and open the engine, as far as they are there: those of CIS Docker Benchmark, section 3.
func EngineFiles(socket string) ([]EngineFile, error) {
	var out []EngineFile
	for _, f := range []struct {
		path string
		most int
	}{
		{socket, 0o660}, {"/run/containerd/containerd.sock", 0o660}, {"/etc/docker", 0o755}, {"/etc/docker/daemon.json", 0o644}, {"/etc/default/docker", 0o644},
		{"/lib/systemd/system/docker.service", 0o644}, {"/lib/systemd/system/docker.socket", 0o644}, {"/etc/docker/certs.d", 0o755},
	} {
		info, err := os.Stat(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspecting the engine's files: %w", err)
		}
		owner, group, ok := host.Owner(info)
		if !ok {
			return nil, fmt.Errorf("inspecting the engine's files: this system does not report the owner of %s", f.path)
		}
		out = append(out, EngineFile{Path: f.path, Mode: int(info.Mode().Perm()), Owner: owner, Group: groupName(group), Most: f.most})
	}
	return out, nil
}

// ForwardRules returns the rules that the engine lets an administrator write for what is forwarded to its containers.
func ForwardRules(ctx context.Context) ([]string, error) {
	out, err := host.Output(ctx, "/", []string{"iptables", "-w", "5", "-S", "DOCKER-USER"}, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("reading the chain DOCKER-USER: %w", err)
	}
	var rules []string
	for line := range strings.Lines(string(out)) {
		rules = append(rules, strings.TrimSpace(line))
	}
	return rules, nil
}

// FilterRules returns every rule of the packet filter that a program shows: iptables those for IPv4, ip6tables those for IPv6.
func FilterRules(ctx context.Context, program string) ([]string, error) {
	out, err := host.Output(ctx, "/", []string{program, "-w", "5", "-S"}, 8<<20)
	if err != nil {
		return nil, fmt.Errorf("reading the rules of the firewall: %w", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}

// FilterInNft reports whether iptables keeps its rules in nftables, where nft shows them a second time.
func FilterInNft(ctx context.Context) bool {
	out, err := host.Output(ctx, "/", []string{"iptables", "-V"}, 1<<10)
	return err == nil && strings.Contains(string(out), "(nf_tables)")
}

// NftRules returns the rules of nftables in JSON. Without the program nft there are none that anybody here has made.
func NftRules(ctx context.Context) (string, error) {
	out, err := host.Output(ctx, "/", []string{"nft", "-j", "list", "ruleset"}, 32<<20)
	if host.NotInstalled(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the rules of nftables: %w", err)
	}
	text, err := host.Output(ctx, "/", []string{"nft", "-t", "list", "ruleset"}, 32<<20)
	if err != nil {
		return "", fmt.Errorf("reading the rules of nftables: %w", err)
	}
	return string(out), activeTables(string(out), string(text))
}

// activeTables refuses rules of which some do nothing, where that is said in words only: nft before 1.0.9 leaves the flags of a
// table out of its JSON.
func activeTables(inJSON, inWords string) error {
	for line := range strings.Lines(inWords) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "flags" && words[1] == "dormant" && !strings.Contains(inJSON, `"dormant"`) {
			return errors.New("reading the rules of nftables: a table is dormant, and this nft does not say which")
		}
	}
	return nil
}

// EngineLogSize reports whether the engine's default for new log files has a bound, by its configuration file or the
// command lines of the engines that run here.
func EngineLogSize() (bool, error) {
	data, err := readBounded("/etc/docker/daemon.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading the engine's configuration: %w", err)
	}
	if err == nil {
		var config struct {
			Options map[string]string `json:"log-opts"`
		}
		if err := json.Unmarshal([]byte(data), &config); err != nil {
			return false, fmt.Errorf("reading the engine's configuration: %w", err)
		}
		if config.Options["max-size"] != "" {
			return true, nil
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false, fmt.Errorf("listing processes: %w", err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		words, err := readBounded(filepath.Join("/proc", e.Name(), "cmdline"))
		if program, _, _ := strings.Cut(words, "\x00"); err == nil && filepath.Base(program) == "dockerd" && strings.Contains(words, "max-size=") {
			return true, nil
		}
	}
	return false, nil
}

// groupName returns the name of a group, or its number when it has none.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}
