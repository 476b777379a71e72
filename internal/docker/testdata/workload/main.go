// Command workload is the program of the images that the engine tests run: a server without a shell next to it, and the
// ways in which servers go wrong.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "serve")
	}
	switch os.Args[1] {
	case "serve":
		serve(syscall.SIGTERM)
	case "ignore-signals": // catches nothing at all
		for n := 1; n < 32; n++ {
			signal.Ignore(syscall.Signal(n))
		}
		serve(syscall.SIGUSR2)
	case "crash":
		fmt.Println("secret is", content("/run/secrets/token"))
		fmt.Println("\x1b[31mcannot open /var/cache/app: Read-only file system\x1b[0m")
		os.Exit(3)
	case "later": // is well at first, and dies after the deploy has seen it healthy
		go func() { time.Sleep(5 * time.Second); os.Exit(7) }()
		serve(syscall.SIGTERM)
	case "hog":
		var kept [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			kept = append(kept, b)
		}
	case "hungry": // a child takes all memory and is killed; the service lives on
		if child := started("hog"); child != nil {
			go func() { _ = child.Wait() }() // how it ends is what the doctor is to find out
		}
		serve(syscall.SIGTERM)
	case "careless": // a child ends, and is not waited for
		started("once")
		serve(syscall.SIGTERM)
	case "slow": // needs nearly all of its grace period
		serve(syscall.SIGTERM)
		time.Sleep(2700 * time.Millisecond)
	case "health":
		answer, err := http.Get("http://127.0.0.1:8080/")
		if err != nil || answer.StatusCode != http.StatusOK {
			fmt.Println("unhealthy:", err)
			os.Exit(1)
		}
	case "token": // a job that reads a secret, and is careless with it
		fmt.Printf("the token has %d bytes: %s\n", len(content("/run/secrets/token")), content("/run/secrets/token"))
	case "sshd": // has the name of a daemon for remote shells, and its port
		_ = os.WriteFile("/proc/self/comm", []byte("sshd"), 0) // only its name matters; the test sees when it is another
		go func() { _ = http.ListenAndServe(":22", nil) }()
		serve(syscall.SIGTERM)
	case "busy": // uses known amounts of everything
		busy()
	case "once":
		fmt.Println("done")
	default:
		if !wrongly(os.Args[1]) {
			needy(os.Args[1])
		}
	}
}

// needs serves when there is no error, and ends with it otherwise.
func needs(err error) {
	if err != nil {
		fmt.Println("cannot start:", err)
		os.Exit(1)
	}
	serve(syscall.SIGTERM)
}

// started runs another mode of this program and does not wait for its end.
func started(mode string) *exec.Cmd {
	child := exec.Command("/proc/self/exe", mode)
	if err := child.Start(); err != nil {
		fmt.Println("cannot start:", err)
		return nil
	}
	return child
}

func content(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

func serve(stop syscall.Signal) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, stop)
	name, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Served-By", name) // where several are alike
		fmt.Fprintln(w, "ok")
	})
	go func() { _ = http.ListenAndServe(":8080", nil) }()
	fmt.Println("serving")
	<-c
	fmt.Println("stopping")
	time.Sleep(10 * time.Millisecond) // a real server finishes its requests here
	fmt.Println("stopped")
}
