package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// wrongly serves those who ask from inside, so that its own health test passes, and is wrong for all others in one way. It
// returns false when it knows no such way.
func wrongly(mode string) bool {
	var err error
	switch mode {
	case "loopback": // listens on 127.0.0.1 alone
	case "elsewhere": // on another port
		go func() { _ = http.ListenAndServe(":8081", nil) }()
	case "datagrams": // with another transport
		_, err = net.ListenPacket("udp", ":8080")
	case "six": // on IPv6 alone
		err = each("tcp6", "[::]:8080", func(c net.Conn) { serveOne(c) })
	case "closing": // takes connections, and closes them
		err = outside(func(c net.Conn) { _ = c.Close() })
	case "banner": // speaks another protocol
		err = outside(func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.9\r\n"); _ = c.Close() })
	default:
		return false
	}
	if err != nil {
		fmt.Println("cannot start:", err)
		os.Exit(1)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	go func() { _ = http.ListenAndServe("127.0.0.1:8080", nil) }()
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("serving")
	<-c
	return true
}

// outside answers at the addresses at which others find this container.
func outside(answer func(net.Conn)) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			if err := each("tcp4", net.JoinHostPort(n.IP.String(), "8080"), answer); err != nil {
				return err
			}
		}
	}
	return nil
}

func each(network, address string, answer func(net.Conn)) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return nil
}

func serveOne(c net.Conn) {
	fmt.Fprint(c, "HTTP/1.0 200 OK\r\n\r\nok")
	_ = c.Close()
}
