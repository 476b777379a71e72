package composefile

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/policy"
)

// Mounts are tmpfs, volumes and binds, with those that do not look like one.
func (p *Project) Mounts(s types.ServiceConfig) []policy.Mount {
	var out []policy.Mount
	for _, v := range s.Volumes {
		m := policy.Mount{Path: path.Clean(v.Target), Kind: v.Type, Source: v.Source, Writable: !v.ReadOnly, Exec: true}
		switch v.Type {
		case types.VolumeTypeBind:
			m.Shared = v.Bind != nil && strings.HasSuffix(v.Bind.Propagation, "shared")
		case types.VolumeTypeTmpfs:
			m.Exec = false // what the engine adds to a tmpfs: noexec, nosuid, nodev
			if v.Tmpfs != nil {
				m.Size = int64(v.Tmpfs.Size)
			}
		case types.VolumeTypeVolume:
			out = append(out, volumeMounts(m, p.types.Volumes[v.Source])...)
			continue
		default:
			m.Kind = types.VolumeTypeVolume
		}
		out = append(out, m)
	}
	for _, t := range s.Tmpfs {
		out = append(out, Tmpfs(t))
	}
	if s.UseAPISocket {
		out = append(out, policy.Mount{Path: "/var/run/docker.sock", Kind: "bind", Source: "/var/run/docker.sock", Writable: true, Exec: true})
	}
	for _, use := range s.Secrets {
		out = append(out, fileMount(types.FileReferenceConfig(use), types.FileObjectConfig(p.types.Secrets[use.Source]), "/run/secrets/")...)
	}
	for _, use := range s.Configs {
		out = append(out, fileMount(types.FileReferenceConfig(use), types.FileObjectConfig(p.types.Configs[use.Source]), "/")...)
	}
	return out
}

// fileMount is the file behind a secret or a config, where it is more than a file: Compose binds whatever is at its path. Files
// with secrets may lie anywhere, so that only what shows the host itself counts.
func fileMount(use types.FileReferenceConfig, source types.FileObjectConfig, dir string) []policy.Mount {
	file := path.Clean(source.File)
	host := slices.Contains([]string{"/etc", "/root", "/run", "/var/run", "/usr", "/bin", "/sbin", "/lib", "/etc/shadow", "/etc/gshadow", "/etc/passwd", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssh", "/root/.ssh"}, file) ||
		slices.ContainsFunc([]string{"/boot", "/dev", "/proc", "/sys", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet"}, func(d string) bool {
			return file == d || strings.HasPrefix(file, d+"/") || strings.HasPrefix(d, strings.TrimSuffix(file, "/")+"/")
		}) || strings.HasSuffix(file, ".sock") || strings.HasSuffix(file, ".socket") || ofRun(file)
	if source.File == "" || !host {
		return nil
	}
	target := cmp.Or(use.Target, use.Source)
	if !path.IsAbs(target) {
		target = path.Join(dir, target)
	}
	return []policy.Mount{{Path: target, Kind: "bind", Source: file, Exec: true}}
}

// ofRun reports whether a file is of what runs on the host, where its sockets are; two directories there are for secrets.
func ofRun(file string) bool {
	file = strings.TrimPrefix(file, "/var")
	return strings.HasPrefix(file, "/run/") && !strings.HasPrefix(file, "/run/secrets/") && !strings.HasPrefix(file, "/run/credentials/")
}

// volumeMounts are what a named volume is: its options may make it a path, a device or a file system of the host.
func volumeMounts(m policy.Mount, v types.VolumeConfig) []policy.Mount {
	if bool(v.External) {
		m.External = true
		return []policy.Mount{m}
	}
	if !localDriver(v.Driver) {
		return []policy.Mount{m}
	}
	kind, device, options := v.DriverOpts["type"], v.DriverOpts["device"], strings.Split(v.DriverOpts["o"], ",")
	m.Shared = slices.ContainsFunc(options, func(o string) bool { return o == "shared" || o == "rshared" })
	bind := func(source string) policy.Mount {
		b := m
		b.Kind, b.Source = types.VolumeTypeBind, source
		return b
	}
	has := func(option string) bool { return slices.Contains(options, option) }
	switch {
	case kernelFileSystem(kind) != "":
		return []policy.Mount{bind(kernelFileSystem(kind))}
	case kind == "overlay":
		var out []policy.Mount
		for _, o := range options {
			name, value, _ := strings.Cut(o, "=")
			if name == "lowerdir" || name == "upperdir" {
				for dir := range strings.SplitSeq(value, ":") {
					out = append(out, bind(dir))
				}
			}
		}
		if len(out) == 0 {
			out = append(out, bind("/")) // whatever it is, it is of the host
		}
		return out
	case kind == types.VolumeTypeTmpfs:
		m.Kind, m.Source, m.Exec, m.SUID, m.Dev = types.VolumeTypeTmpfs, "", !has("noexec"), !has("nosuid"), !has("nodev")
		for _, o := range options {
			if size, ok := strings.CutPrefix(o, "size="); ok {
				m.Size = bytesOf(size)
			}
		}
	case strings.HasPrefix(device, "/") && !networkFileSystem(kind):
		return []policy.Mount{bind(device)} // a path of the host, or one of its disks
	}
	return []policy.Mount{m}
}

func localDriver(name string) bool { return name == "" || name == "local" }

// kernelFileSystem returns the path of the host that shows the same as a file system of the kernel.
func kernelFileSystem(kind string) string {
	switch kind {
	case "proc":
		return "/proc"
	case "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf", "configfs", "efivarfs", "selinuxfs", "pstore":
		return "/sys"
	case "devtmpfs", "devpts", "mqueue", "hugetlbfs":
		return "/dev"
	}
	return ""
}

// networkFileSystem tells those that show another machine, whose content is like that of any volume.
func networkFileSystem(kind string) bool {
	return slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs"}, kind)
}

// unknownVolume names what of a volume this version does not know.
func unknownVolume(name string, v types.VolumeConfig) []string {
	kind, device := v.DriverOpts["type"], v.DriverOpts["device"]
	known := kind == "" || kind == "none" || kind == types.VolumeTypeTmpfs || kind == "overlay" || kernelFileSystem(kind) != "" || networkFileSystem(kind) || strings.HasPrefix(device, "/")
	switch {
	case !localDriver(v.Driver):
		return []string{"volumes." + name + ".driver " + v.Driver}
	case !known:
		return []string{"volumes." + name + ".driver_opts type " + kind}
	case device != "" && !strings.HasPrefix(device, "/") && (kind == "" || kind == "none"):
		return []string{"volumes." + name + ".driver_opts device " + device}
	}
	for key := range v.DriverOpts {
		if !slices.Contains([]string{"type", "device", "o", "size"}, key) {
			return []string{"volumes." + name + ".driver_opts " + key}
		}
	}
	return nil
}

// Tmpfs reads /run:size=64m,mode=1777,uid=1000,gid=1000,exec.
func Tmpfs(text string) policy.Mount {
	target, options, _ := strings.Cut(text, ":")
	m := policy.Mount{Path: path.Clean(target), Kind: "tmpfs", Writable: true}
	for _, o := range strings.Split(options, ",") {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "ro":
			m.Writable = false
		case "exec":
			m.Exec = true
		case "suid":
			m.SUID = true
		case "dev":
			m.Dev = true
		case "uid", "gid":
			m.Owned = true
		case "size":
			m.Size = bytesOf(value)
		}
	}
	return m
}

// bytesOf reads a size as the kernel does; one it cannot read is none.
func bytesOf(text string) int64 {
	digits := strings.TrimRight(strings.ToLower(text), "kmg%")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0
	}
	if strings.HasSuffix(text, "%") {
		return 1 // a part of the host's memory: a size, though not one in bytes
	}
	return n << map[byte]int{'k': 10, 'm': 20, 'g': 30}[strings.ToLower(text)[len(text)-1]]
}
