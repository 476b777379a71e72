package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process names the running process so that no other one, ever, has the same name: the boot of the kernel, the pid
// namespace, the pid, and the time at which it began (proc(5)). It is empty where the system does not tell.
func Process() string { return processName(os.Getpid()) }

// Gone tells whether the process of that name has surely ended: it was on this kernel, in this pid namespace, and its
// pid is free or belongs to another process. Of a process elsewhere nothing is known, and it does not count as gone.
func Gone(name string) bool {
	here, _, ok := strings.Cut(Process(), " ")
	there, rest, _ := strings.Cut(name, " ")
	if !ok || here != there {
		return false
	}
	pid, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(pid)
	return err == nil && processName(n) != name
}

func processName(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	at := fmt.Sprintf("%s/%s", strings.TrimSpace(string(boot)), namespace)
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return at + " "
	}
	// The name of the program, in parentheses, may contain anything; the start time is field 22, the 20th after it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return at + " "
	}
	return fmt.Sprintf("%s %d %s", at, pid, fields[19])
}
