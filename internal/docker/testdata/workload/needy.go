package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

// needy are servers that do not work until their profile grants what they need. Each says what the kernel or the library
// says, in the words of real servers.
func needy(mode string) {
	switch mode {
	case "writer": // needs a directory
		err := os.Mkdir("/state", 0o700)
		if err == nil || os.IsExist(err) {
			err = os.WriteFile("/state/file", []byte("x"), 0o600)
		}
		needs(err)
	case "reader": // needs a secret
		_, err := os.ReadFile("/run/secrets/more")
		needs(err)
	case "opener": // needs many open files
		var err error
		var kept []*os.File
		for i := 0; i < 600 && err == nil; i++ {
			var f *os.File
			f, err = os.Open("/program")
			kept = append(kept, f)
		}
		needs(err)
		fmt.Println(len(kept), "files are open")
	case "eater": // needs 40 MiB of memory
		kept := make([]byte, 40<<20)
		for i := range kept {
			kept[i] = 1
		}
		needs(nil)
		fmt.Println(len(kept), "bytes are used")
	case "parent": // needs 30 children, and to hear from each
		var err error
		for i := 0; i < 30 && err == nil; i++ {
			err = bear()
		}
		needs(err)
	case "crowd": // takes what room there is for 10 children; then it serves, but a test of its health may find no room
		for i := 0; i < 10 && bear() == nil; i++ {
		}
		needs(nil)
	case "child":
		fmt.Println("born")
		time.Sleep(time.Hour)
	case "sharer": // needs 80 MiB of shared memory
		needs(fill("/dev/shm/segment", 80))
	case "filler": // needs 12 MiB for temporary files
		needs(fill("/tmp/upload", 12))
	case "caller": // needs another service by its name
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_, err := net.DefaultResolver.LookupHost(ctx, "db")
		cancel()
		needs(err)
	case "client": // needs a server that is not there
		c, err := net.DialTimeout("tcp", "127.0.0.1:9", time.Second)
		if err == nil {
			err = c.Close()
		}
		needs(err)
	case "pinger": // needs a raw socket
		_, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)
		if err != nil {
			err = fmt.Errorf("ping: raw socket: %w", err)
		}
		needs(err)
	case "configured": // needs a variable
		if os.Getenv("SESSION_STORE") == "" {
			needs(fmt.Errorf("the variable SESSION_STORE is not set"))
		}
		needs(nil)
	case "owner": // needs a file in a volume to be its own
		_, err := os.ReadFile("/data/kept/file")
		needs(err)
	case "plain": // leaves SIGTERM to the kernel, which does not deliver it to PID 1
		var none [4]uintptr // struct sigaction with SIG_DFL
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGTERM), uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0); errno != 0 {
			needs(errno)
		}
		serve(syscall.SIGUSR2)
	case "stubborn": // does not stop when asked
		signal.Ignore(syscall.SIGTERM)
		serve(syscall.SIGUSR2)
	case "sick": // runs, but its health test fails
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		_ = http.ListenAndServe(":8080", nil)
	}
}

// bear starts a child, and waits until it says so: a limit may let it be born and not live.
func bear() error {
	child := exec.Command("/program", "child")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	if n, err := out.Read(make([]byte, 8)); n == 0 {
		return fmt.Errorf("a child died before it spoke: fork: resource temporarily unavailable (%w)", err)
	}
	return nil
}

func fill(path string, mebibytes int) error {
	f, err := os.Create(path)
	for range mebibytes {
		if err == nil {
			_, err = f.Write(make([]byte, 1<<20))
		}
	}
	return err
}
