package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Process names the running process so that no other one, ever, has the same name: the boot of the kernel, the pid
// namespace, the pid, and the time at which it began (proc(5)). It is empty where the system does not tell.
func Process() string {
	here := machine()
	stat, err := os.ReadFile("/proc/self/stat")
	if here == "" || err != nil {
		return ""
	}
	started, _, ok := parseStat(string(stat))
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s %d %s", here, os.Getpid(), started)
}

// Gone reports whether the process of that name has surely ended: it was on this kernel, in this pid namespace, and its
// pid is free or belongs to another process. Of a process elsewhere nothing is known, nor of one that this user may not
// see, as with hidepid (proc(5)): neither counts as gone.
func Gone(name string) bool {
	fields := strings.Fields(name)
	if len(fields) != 3 || fields[0] != machine() {
		return false
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil || pid <= 0 {
		return false
	}
	found, err := os.FindProcess(pid)
	if err == nil {
		err = found.Signal(syscall.Signal(0))
		_ = found.Release() // never fails
	}
	stat, statErr := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return ended(fields[2], err, string(stat), statErr)
}

// ended judges what the system says of a pid: the answer to a signal that only asks, and /proc/PID/stat. Only a pid that
// is free, a process with another start time and one that waits for its parent prove that the process has ended. A refused
// signal proves that some process lives, and a file that cannot be read proves nothing.
func ended(started string, signal error, stat string, statErr error) bool {
	if errors.Is(signal, os.ErrProcessDone) || errors.Is(signal, syscall.ESRCH) {
		return true
	}
	if statErr != nil {
		return false
	}
	now, zombie, ok := parseStat(stat)
	return ok && (now != started || zombie)
}

// machine names the kernel and the pid namespace that pids are of, or is empty.
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%s", strings.TrimSpace(string(boot)), namespace)
}

// parseStat returns the start time of a process, and whether it has ended and no thread of it is left.
func parseStat(stat string) (started string, zombie, ok bool) {
	// The name of the program, in parentheses, may contain anything. Field 3, the state, is the first after it.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const state, threads, start = 0, 17, 19
	if len(fields) <= start {
		return "", false, false
	}
	left, err := strconv.Atoi(fields[threads])
	return fields[start], fields[state] == "Z" && err == nil && left <= 1, true
}
