package verify

import (
	"fmt"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/stack"
)

// Check is a question to a service over the network: what kind follows from the scheme of its URL.
type Check struct {
	URL      string        `json:"url"`      // one of Schemes
	Address  string        `json:"address"`  // host:port to connect to, where that is not what the URL says
	Status   int           `json:"status"`   // wanted of HTTP; 0 means 200 to 399
	Any      bool          `json:"any"`      // every status will do
	Body     string        `json:"body"`     // text that the answer must hold
	Header   string        `json:"header"`   // "Name: value" that the answer must have
	Latency  time.Duration `json:"latency"`  // the answer must come sooner; 0 is any time
	Timeout  time.Duration `json:"timeout"`  // for one attempt
	Days     int           `json:"days"`     // that a certificate must still be valid
	Insecure bool          `json:"insecure"` // do not check who signed the certificate
	Keep     bool          `json:"keep"`     // the answer holds the body, too
	Hold     bool          `json:"hold"`     // a TCP connection must stay open for a moment: one that is only taken and closed serves no caller
	Own      bool          `json:"-"`        // asked at the own address of the container that asks
}

// Answer is what came back.
type Answer struct {
	OK   bool          `json:"ok"`
	Text string        `json:"text"` // what was seen, or why it is not good
	Took time.Duration `json:"took"`
	Body string        `json:"body,omitempty"` // of HTTP, where it was asked for; untrusted
}

// Schemes lists the kinds of checks.
func Schemes() []string { return stack.Schemes() }

// JudgeHTTP compares a response with what is wanted; header gives the values of a header, body is as much as was read.
func (c Check) JudgeHTTP(status int, header func(name string) string, body string) Answer {
	switch {
	case c.Any:
	case c.Status == 0 && (status < 200 || status > 399), c.Status != 0 && status != c.Status:
		return Answer{Text: fmt.Sprintf("status %d", status)}
	case c.Body != "" && !strings.Contains(body, c.Body):
		return Answer{Text: fmt.Sprintf("status %d, but the body does not hold %q", status, c.Body)}
	}
	if c.Header != "" {
		name, want, _ := strings.Cut(c.Header, ":")
		if got := header(strings.TrimSpace(name)); !strings.Contains(got, strings.TrimSpace(want)) || got == "" {
			return Answer{Text: fmt.Sprintf("header %s is %q", strings.TrimSpace(name), display.Name(got))}
		}
	}
	out := Answer{OK: true, Text: fmt.Sprintf("status %d, %d bytes", status, len(body))}
	if c.Keep {
		out.Body = body
	}
	return out
}

// JudgeCertificate wants enough days until the certificate ends.
func (c Check) JudgeCertificate(version string, ends, now time.Time) Answer {
	left := int(ends.Sub(now).Hours() / 24)
	text := fmt.Sprintf("%s, certificate valid for %d days, until %s", version, left, ends.UTC().Format(time.DateOnly))
	return Answer{OK: now.Before(ends) && left >= c.Days, Text: text}
}

// JudgePostgres reads the first bytes after a start-up message: R asks for a password, E is an error with its code in
// field C (PostgreSQL documentation, "Message Formats"). Like pg_isready, any answer but "starting up" is readiness.
func JudgePostgres(answer []byte) Answer {
	switch {
	case len(answer) == 0:
		return Answer{Text: "no answer"}
	case answer[0] == 'R':
		return Answer{OK: true, Text: "accepts connections"}
	case answer[0] == 'E' && strings.Contains(string(answer), "\x00C57P03\x00"):
		return Answer{Text: "starting up or shutting down"}
	case answer[0] == 'E':
		return Answer{OK: true, Text: "accepts connections"}
	}
	return Answer{Text: "does not speak PostgreSQL"}
}

// JudgeMySQL reads the server's greeting: four bytes of header, then 10 and the version, or 255 and an error.
func JudgeMySQL(answer []byte) Answer {
	switch {
	case len(answer) > 5 && answer[4] == 10:
		version, _, _ := strings.Cut(string(answer[5:]), "\x00")
		return Answer{OK: true, Text: "accepts connections, version " + display.Name(version)}
	case len(answer) > 7 && answer[4] == 255:
		return Answer{Text: "refuses: " + display.Name(string(answer[7:]))}
	}
	return Answer{Text: "does not speak MySQL"}
}

// JudgeRedis reads the answer to PING. A server that wants a password is up.
func JudgeRedis(answer []byte) Answer {
	line, _, _ := strings.Cut(string(answer), "\r\n")
	switch {
	case line == "+PONG", strings.HasPrefix(line, "-NOAUTH"):
		return Answer{OK: true, Text: "answers " + display.Name(line)}
	case strings.HasPrefix(line, "-"):
		return Answer{Text: "answers " + display.Name(line)}
	}
	return Answer{Text: "does not speak Redis"}
}
