package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Capabilities returns the names of all Linux capabilities, ordered by bit number: include/uapi/linux/capability.h, Linux 6.12.
func Capabilities() []string {
	return strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
		NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
		SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
		SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)
}

// CapabilityMask returns the set of the named capabilities; unknown names add nothing.
func CapabilityMask(names ...string) uint64 {
	var mask uint64
	for _, name := range names {
		if bit := slices.Index(Capabilities(), name); bit >= 0 {
			mask |= 1 << bit
		}
	}
	return mask
}

// DefaultCapabilities are those that the engine leaves every container (moby, oci/caps/defaults.go).
func DefaultCapabilities() []string {
	return strings.Fields("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE")
}

// Bounding returns what the service can have: what it is granted, and what an exception leaves it.
func (in Intent) Bounding() uint64 { return in.Capabilities | in.Kept }

// CapabilityList returns the names in a set, without those of newer kernels.
func CapabilityList(mask uint64) []string {
	var out []string
	for bit, name := range Capabilities() {
		if mask&(1<<bit) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// CapabilityNames lists a set. Bits of newer kernels are shown by number, never left out.
func CapabilityNames(mask uint64) string {
	if mask == 0 {
		return "none"
	}
	names := Capabilities()
	if mask&(1<<len(names)-1) == 1<<len(names)-1 {
		return "all capabilities"
	}
	var out []string
	for bit := range 64 {
		switch {
		case mask&(1<<bit) == 0:
		case bit < len(names):
			out = append(out, names[bit])
		default:
			out = append(out, fmt.Sprintf("capability %d", bit))
		}
	}
	return strings.Join(out, ", ")
}

// DangerousCapabilities are those that lead to root on the host or past every file permission.
func DangerousCapabilities() uint64 {
	return CapabilityMask("SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "DAC_READ_SEARCH", "NET_ADMIN",
		"BPF", "PERFMON", "SYS_TIME", "SYS_BOOT", "MKNOD", "MAC_ADMIN", "MAC_OVERRIDE", "SYSLOG")
}

// Dangerous reports whether a capability leads to root on the host or past every file permission.
func Dangerous(name string) bool { return CapabilityMask(name)&DangerousCapabilities() != 0 }
