package profile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Percent is a share of a hundred, with the text as written.
type Percent struct {
	P    float64
	Text string
}

// UnmarshalText reads 99.5 or 99.5%.
func (p *Percent) UnmarshalText(text []byte) error {
	word := string(text)
	if n := len(word); n > 0 && word[n-1] == '%' {
		word = word[:n-1]
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || !decimal.MatchString(word) || v <= 0 || v >= 100 {
		return yamldoc.BadValue("write a number such as 99.5", "%q is not a percentage between 0 and 100", text)
	}
	*p = Percent{P: v, Text: string(text)}
	return nil
}

// String returns the text as written.
func (p Percent) String() string { return p.Text }

// DecodeShort reads "3001:3001" or "0.0.0.0:443:8443/tcp".
func (p *Port) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	hint := `write "3001:3001", or "*:443:8443" to open it to the world`
	rest, protocol, _ := strings.Cut(n.Value, "/")
	cut := strings.LastIndexByte(rest, ':')
	if cut < 0 {
		return true, yamldoc.BadValue(hint, "%q names no host port", n.Value)
	}
	container, host := rest[cut+1:], rest[:cut]
	address := ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		address, host = strings.Trim(host[:i], "[]"), host[i+1:]
	}
	h, errH := strconv.Atoi(host)
	c, errC := strconv.Atoi(container)
	if errH != nil || errC != nil {
		return true, yamldoc.BadValue(hint, "%q is not host:container", n.Value)
	}
	*p = Port{Address: address, Host: h, Container: c, Protocol: protocol}
	return true, nil
}

// DecodeShort reads a bare name of a secret.
func (s *SecretUse) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	s.Name = n.Value
	return true, nil
}

// DecodeShort reads a bare name of a service, which must be healthy.
func (d *Dependency) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	d.Service = n.Value
	return true, nil
}

// DecodeShort reads what the service itself asks.
func (r *Reach) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	r.URL = n.Value
	return true, nil
}

// DecodeShort reads a literal value.
func (e *Env) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	e.Value = Text(n.Value)
	return true, nil
}

// DecodeShort refuses a bare name: a capability without a reason cannot be reviewed.
func (c *Capability) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	return true, yamldoc.BadValue(fmt.Sprintf(`write {name: %s, reason: "why it is needed"}`, n.Value), "%q has no reason", n.Value)
}

var decimal = regexp.MustCompile(`^\d{1,5}(\.\d{1,9})?$`)

// Bytes is an amount of memory or storage. It keeps the text as written, because people compare files.
type Bytes struct {
	N    int64
	Text string
}

// UnmarshalText reads 512M, 1G, 64MiB or a plain number of bytes; units are powers of 1024, as in Compose.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := units.RAMInBytes(string(text))
	if err != nil || n <= 0 {
		return yamldoc.BadValue("write a size such as 512M or 1G", "%q is not an amount of memory above zero", text)
	}
	*b = Bytes{N: n, Text: string(text)}
	return nil
}

// String returns the text as written.
func (b Bytes) String() string { return b.Text }

// CPUs is a number of processors, in billionths, with the text as written.
type CPUs struct {
	Nano int64
	Text string
}

// UnmarshalText reads a decimal number of processors, such as 0.5 or 2.0.
func (c *CPUs) UnmarshalText(text []byte) error {
	if !decimal.Match(text) {
		return yamldoc.BadValue(`write a number of processors such as "0.5" or "2.0"`, "%q is not a number of processors", text)
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0.001 {
		return yamldoc.BadValue("0.001 is the least the engine takes", "%q is not a number of processors above zero", text)
	}
	*c = CPUs{Nano: int64(f*1e9 + 0.5), Text: string(text)}
	return nil
}

// String returns the text as written.
func (c CPUs) String() string { return c.Text }

// Duration is a span of time, with the text as written.
type Duration struct {
	D    time.Duration
	Text string
}

// UnmarshalText reads 30s, 1m30s or 500ms.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return yamldoc.BadValue("write a duration such as 30s or 2m", "%q is not a duration above zero", text)
	}
	*d = Duration{D: v, Text: string(text)}
	return nil
}

// String returns the text as written.
func (d Duration) String() string { return d.Text }

// User is a numeric user and group. Names are refused: they resolve differently in each image.
type User struct {
	UID, GID int
	Set      bool
}

// UnmarshalText reads uid:gid.
func (u *User) UnmarshalText(text []byte) error {
	uid, gid, ok := strings.Cut(string(text), ":")
	a, errA := strconv.ParseUint(uid, 10, 31)
	b, errB := strconv.ParseUint(gid, 10, 31)
	if !ok && errA == nil {
		return yamldoc.BadValue(fmt.Sprintf(`write "%s:%s"; a user without a group runs with gid 0`, uid, uid), "%q names no group", text)
	}
	if errA != nil || errB != nil {
		return yamldoc.BadValue(`write numbers, such as "1000:1000"; names differ between images`, "%q is not uid:gid", text)
	}
	*u = User{UID: int(a), GID: int(b), Set: true}
	return nil
}

// String returns uid:gid.
func (u User) String() string { return fmt.Sprintf("%d:%d", u.UID, u.GID) }

// Mode is a file mode in octal.
type Mode struct {
	Bits int
	Set  bool
}

// UnmarshalText reads 0700 or 1777.
func (m *Mode) UnmarshalText(text []byte) error {
	bits, err := strconv.ParseUint(strings.TrimPrefix(string(text), "0o"), 8, 12)
	if err != nil {
		return yamldoc.BadValue(`write octal digits in quotes, such as "0700"`, "%q is not a file mode", text)
	}
	*m = Mode{Bits: int(bits), Set: true}
	return nil
}

// String returns four octal digits.
func (m Mode) String() string { return fmt.Sprintf("%04o", m.Bits) }

// Day is a calendar day.
type Day struct{ T time.Time }

// UnmarshalText reads YYYY-MM-DD.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return yamldoc.BadValue("write a day such as 2027-06-30", "%q is not a day", text)
	}
	d.T = t
	return nil
}

// String returns YYYY-MM-DD.
func (d Day) String() string { return d.T.Format(time.DateOnly) }

// Text is a string that may also be written as a number or a boolean, as environment values are.
type Text string

// UnmarshalText takes the text as it is.
func (t *Text) UnmarshalText(text []byte) error {
	*t = Text(text)
	return nil
}
