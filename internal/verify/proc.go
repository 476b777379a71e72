package verify

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/policy"
)

// parseStatus reads /proc/PID/status (proc_pid_status(5)).
func parseStatus(text string) (policy.Process, error) {
	p := policy.Process{Seccomp: -1}
	seen := map[string]bool{}
	var bad error
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		key, value, ok := strings.Cut(scan.Text(), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		seen[key] = true
		var err error
		switch key {
		case "Name":
			p.Name = display.Name(value)
		case "Uid":
			err = four(value, &p.UIDs)
		case "Gid":
			err = four(value, &p.GIDs)
		case "Groups":
			for _, g := range strings.Fields(value) {
				n, convErr := strconv.Atoi(g)
				if convErr != nil {
					err = convErr
					break
				}
				p.Groups = append(p.Groups, n)
			}
		case "CapInh":
			p.Inheritable, err = strconv.ParseUint(value, 16, 64)
		case "CapPrm":
			p.Permitted, err = strconv.ParseUint(value, 16, 64)
		case "CapEff":
			p.Effective, err = strconv.ParseUint(value, 16, 64)
		case "CapBnd":
			p.Bounding, err = strconv.ParseUint(value, 16, 64)
		case "CapAmb":
			p.Ambient, err = strconv.ParseUint(value, 16, 64)
		case "State":
			p.State, _, _ = strings.Cut(value, " ")
		case "PPid":
			p.Parent, err = strconv.Atoi(value)
		case "NSpgid": // one for each namespace, the innermost last
			if fields := strings.Fields(value); len(fields) > 0 {
				p.Group, err = strconv.Atoi(fields[len(fields)-1])
			}
		case "SigCgt":
			p.Caught, err = strconv.ParseUint(value, 16, 64)
		case "SigIgn":
			p.Ignored, err = strconv.ParseUint(value, 16, 64)
		case "SigBlk":
			p.Blocked, err = strconv.ParseUint(value, 16, 64)
		case "NoNewPrivs":
			p.NoNewPrivs = value == "1"
		case "Seccomp":
			p.Seccomp, err = strconv.Atoi(value)
		}
		if err != nil && bad == nil {
			bad = fmt.Errorf("reading %s of a process: %w", key, err)
		}
	}
	for _, key := range []string{"Uid", "Gid", "CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"} {
		if !seen[key] && bad == nil {
			bad = fmt.Errorf("the status of process %q has no %s", p.Name, key)
		}
	}
	return p, bad
}

func four(text string, into *[4]int) error {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return fmt.Errorf("want 4 ids, got %q", text)
	}
	for i, f := range fields {
		n, err := strconv.Atoi(f)
		if err != nil {
			return err
		}
		into[i] = n
	}
	return nil
}

// mountPoint is one line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type mountPoint struct {
	root, path string
	options    []string // of the mount itself, field 6; the superblock's options say nothing about it
	shared     bool
	kind       string
	source     string
	super      []string
}

func parseMountinfo(text string) ([]mountPoint, error) {
	var out []mountPoint
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		fields, tail := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 6 || len(tail) < 3 {
			return nil, fmt.Errorf("reading mountinfo: %q is not a mount", display.Name(line))
		}
		m := mountPoint{root: unescape(fields[3]), path: unescape(fields[4]), options: strings.Split(fields[5], ","),
			kind: tail[0], source: unescape(tail[1]), super: strings.Split(tail[2], ",")}
		// A volume shows master: on hosts whose root is shared: events of the host reach it, never the other way round.
		// Only shared: lets the container mount something on the host.
		for _, optional := range fields[6:] {
			m.shared = m.shared || strings.HasPrefix(optional, "shared:")
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("reading mountinfo: it is empty")
	}
	return out, nil
}

// unescape undoes the octal escapes of mountinfo: \040 is a space.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (m mountPoint) has(option string) bool { return slices.Contains(m.options, option) }

// size returns the bound of a tmpfs in bytes, or 0 when it has none.
func (m mountPoint) size() int64 {
	for _, o := range m.super {
		if value, ok := strings.CutPrefix(o, "size="); ok {
			unit := int64(1)
			if kib, ok := strings.CutSuffix(value, "k"); ok {
				value, unit = kib, 1<<10
			}
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return 0
			}
			return n * unit
		}
	}
	return 0
}

// parseListening returns the ports of the listening TCP sockets in /proc/PID/net/tcp and tcp6 (proc_pid_net(5)).
// The engine's own resolver on 127.0.0.11 is left out.
func parseListening(tables ...string) ([]int, error) {
	sockets, err := Listeners(tables...)
	if err != nil {
		return nil, err
	}
	return slices.Compact(slices.Sorted(maps.Values(sockets))), nil
}

// Listeners returns the ports of the same sockets by the number of their inode, by which /proc/PID/fd names them.
func Listeners(tables ...string) (map[string]int, error) { return inState(listen, tables...) }

// inState returns the ports of the sockets in a state, by the number of their inode.
func inState(state string, tables ...string) (map[string]int, error) {
	out := map[string]int{}
	for _, table := range tables {
		for i, line := range slices.Collect(strings.Lines(table)) {
			fields := strings.Fields(line)
			if i == 0 || len(fields) < 4 || fields[3] != state {
				continue
			}
			address, port, ok := strings.Cut(fields[1], ":")
			n, err := strconv.ParseUint(port, 16, 16)
			if !ok || err != nil {
				return nil, fmt.Errorf("reading the listening sockets: %q is not an address", display.Name(fields[1]))
			}
			if address == "0B00007F" { // 127.0.0.11
				continue
			}
			inode := fmt.Sprintf("line %d of %d", i, len(out)) // of a table that is cut off, or from another kernel
			if len(fields) > 9 {
				inode = fields[9]
			}
			out[inode] = int(n)
		}
	}
	return out, nil
}

// ListenersFirst reports whether the beginning of a table of sockets that is too long to be read shows all that listen: a kernel
// prints these first, and then those that are connected.
func ListenersFirst(table string) bool {
	connected := false
	for i, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) < 4 {
			continue
		}
		if fields[3] != listen {
			connected = true
		} else if connected {
			return false
		}
	}
	return connected
}

// States of sockets (include/net/tcp_states.h): one that listens, and one for datagrams that takes them from everywhere.
const listen, unconnected = "0A", "07"

// connected is the state of a socket whose connection is open.
const connected = "01"

// OpenConnections counts the open connections with some peers in /proc/PID/net/tcp and tcp6 (proc_pid_net(5)).
func OpenConnections(peers []netip.Addr, tables ...string) (int, error) {
	n := 0
	for _, table := range tables {
		for i, line := range slices.Collect(strings.Lines(table)) {
			fields := strings.Fields(line)
			if i == 0 || len(fields) < 4 || fields[3] != connected {
				continue
			}
			peer, err := socketAddress(fields[2])
			if err != nil {
				return 0, err
			}
			if slices.Contains(peers, peer) {
				n++
			}
		}
	}
	return n, nil
}

// socketAddress reads the address of a socket: words of 32 bits, each in the byte order of the machine, which is that of all that we run on.
func socketAddress(text string) (netip.Addr, error) {
	address, _, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.Addr{}, fmt.Errorf("reading the open connections: %q is not an address", display.Name(text))
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	out, _ := netip.AddrFromSlice(raw)
	return out.Unmap(), nil
}

// parseLimits returns the soft limits of open files and core size in /proc/PID/limits; -1 is unlimited.
func parseLimits(text string) (files, core int64, err error) {
	files, core = -2, -2
	for line := range strings.Lines(text) {
		for prefix, into := range map[string]*int64{"Max open files": &files, "Max core file size": &core} {
			rest, ok := strings.CutPrefix(line, prefix)
			if !ok {
				continue
			}
			fields := strings.Fields(rest)
			if len(fields) == 0 {
				return 0, 0, fmt.Errorf("reading limits: %q has no value", prefix)
			}
			*into = -1
			if fields[0] != "unlimited" {
				if *into, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
					return 0, 0, fmt.Errorf("reading limits: %w", err)
				}
			}
		}
	}
	if files == -2 || core == -2 {
		return 0, 0, fmt.Errorf("reading limits: open files or core size is missing")
	}
	return files, core, nil
}
