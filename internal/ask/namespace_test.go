package ask

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

// datagrams is a server that answers each datagram with what answer makes of it, or not at all.
func datagrams(t *testing.T, answer func([]byte) []byte) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			if out := answer(b[:n]); out != nil {
				_, _ = l.WriteTo(out, from)
			}
		}
	}()
	return l.LocalAddr().String()
}

func silent([]byte) []byte { return nil }

// versions answers as a server of QUIC does that does not have the version: with the ids turned round, and those that it has.
func versions(hello []byte) []byte {
	if len(hello) < 1200 {
		return nil
	}
	return slices.Concat([]byte{0x80, 0, 0, 0, 0, 8}, hello[15:23], []byte{8}, hello[6:14], []byte{0, 0, 0, 1})
}

// A server that listens wrongly gives no good answer, whatever is wrong; all questions are put together.
func TestWrongListeners(t *testing.T) {
	closed := server(t, false, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nothing := l.Addr().String()
	l.Close()
	quiet, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, which wait for who accepts them
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	ssh, udp := server(t, false, "SSH-2.0-OpenSSH_9.9\r\n"), datagrams(t, silent)
	rows := []struct {
		name, url string
		ok        bool
		text      string
	}{
		{"HTTP", "http://" + server(t, true, "HTTP/1.0 404 Not Found\r\n\r\nno"), true, "status 404"},
		{"accepts and closes, HTTP", "http://" + closed, false, ""}, // before the question is written, or after it
		{"closes without an answer, HTTP", "http://" + server(t, true, ""), false, "EOF"},
		{"accepts and closes, TCP", "tcp://" + closed, false, "closes it at once"},
		{"nothing listens", "tcp://" + nothing, false, "refused"},
		{"UDP only", "tcp://" + udp, false, "refused"},
		{"another protocol", "http://" + server(t, true, "SSH-2.0-OpenSSH_9.9\r\n"), false, "malformed HTTP"},
		{"another protocol that speaks first", "http://" + ssh, false, ""},
		{"another protocol for a database", "postgres://" + ssh, false, "does not speak PostgreSQL"},
		{"speaks first", "tcp://" + ssh, true, "accepts connections"},
		{"waits to be spoken to", "tcp://" + quiet.Addr().String(), true, "accepts connections"},
		{"takes datagrams", "udp://" + udp, true, "takes datagrams"},
		{"nothing takes datagrams", "udp://" + nothing, false, "refused"},
		{"QUIC", "quic://" + datagrams(t, versions), true, "speaks QUIC"},
		{"not QUIC", "quic://" + datagrams(t, func(b []byte) []byte { return b[:1] }), false, "does not speak QUIC"},
		{"no port of QUIC", "quic://" + nothing, false, "refused"},
		{"at another address", "http://shop.example/", true, "status 200"},
	}
	var checks []verify.Check
	for _, row := range rows {
		checks = append(checks, verify.Check{URL: row.url, Any: true, Hold: true, Timeout: 5 * time.Second})
	}
	checks[len(checks)-1].Address = server(t, true, "HTTP/1.0 200 OK\r\n\r\nok")
	for i, a := range Within(t.Context(), checks) {
		if a.OK != rows[i].ok || !strings.Contains(a.Text, rows[i].text) {
			t.Errorf("%s: %v, %q", rows[i].name, a.OK, a.Text)
		}
	}
}

// Answers of a name server are read as they are written in RFC 1035, and no further.
func TestReadAnswer(t *testing.T) {
	question, err := packQuery("db", typeA)
	if err != nil {
		t.Fatal(err)
	}
	record := func(kind byte, data ...byte) []byte {
		return append([]byte{0xC0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, byte(len(data))}, data...)
	}
	answer := func(code, count byte, records ...[]byte) []byte {
		b := slices.Clone(question)
		b[2], b[3], b[7] = 0x81, 0x80|code, count
		return append(b, slices.Concat(records...)...)
	}
	for name, row := range map[string]struct {
		answer []byte
		want   string
	}{
		"two":                  {answer(0, 2, record(typeA, 10, 0, 0, 2), record(typeA, 10, 0, 0, 3)), "[10.0.0.2 10.0.0.3]"},
		"an alias first":       {answer(0, 2, record(5, 1, 'x', 0), record(typeA, 10, 0, 0, 2)), "[10.0.0.2]"},
		"none":                 {answer(0, 0), "[]"},
		"no such name":         {answer(3, 0), "[]"},
		"refused":              {answer(5, 0), "the name server answers with code 5"},
		"fewer than it counts": {answer(0, 2, record(typeA, 10, 0, 0, 2)), errAnswer.Error()},
		"cut":                  {answer(0, 1, record(typeA, 10, 0, 0, 2)[:14]), errAnswer.Error()},
		"too short":            {question[:8], errAnswer.Error()},
	} {
		got, err := readAnswer(row.answer, len(question), typeA)
		text := fmt.Sprint(got)
		if err != nil {
			text = err.Error()
		}
		if len(got) == 0 && err == nil {
			text = "[]"
		}
		if text != row.want {
			t.Errorf("%s: %s, not %s", name, text, row.want)
		}
	}
	if _, err := packQuery(strings.Repeat("x", 64), typeA); err == nil {
		t.Error("a label of 64 bytes is taken")
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("hs\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x02db\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := readAnswer(b, 20, typeA)
		if err != nil && found != nil || slices.ContainsFunc(found, func(a netip.Addr) bool { return !a.IsValid() }) {
			t.Errorf("%v with %v", found, err)
		}
	})
}
