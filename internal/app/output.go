package app

import (
	"bytes"
	"io"
	"maps"
	"slices"

	"github.com/hsectl/hsectl/internal/deploy"
)

// logStream is the output of a container or a hook, without the values of secrets.
type logStream struct {
	redacted io.WriteCloser
	lines    *logLines
}

// logLines tells each line of what is written to it as an event.
type logLines struct {
	tell func(text string)
	rest []byte
}

// Write implements io.Writer.
func (l *logLines) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(data), nil
		}
		l.tell(string(l.rest[:i]))
		l.rest = l.rest[i+1:]
	}
}

// log tells a line of output. A value that goes on in the next line is found, too, so a line that may hold the beginning of one
// is told with the next.
func (p *Progress) log(e deploy.Event) {
	stream, ok := p.logs[e.Subject]
	if !ok {
		lines := &logLines{tell: func(text string) {
			e.Text = text
			p.tell(e)
		}}
		stream = &logStream{p.output().Writer(lines), lines}
		p.logs[e.Subject] = stream
	}
	_, _ = io.WriteString(stream.redacted, e.Text+"\n") // it goes to memory
}

// endLog tells what is left of the output of a subject.
func (p *Progress) endLog(subject string) {
	stream, ok := p.logs[subject]
	if !ok {
		return
	}
	delete(p.logs, subject)
	_ = stream.redacted.Close()
	if len(stream.lines.rest) > 0 {
		stream.lines.tell(string(stream.lines.rest))
	}
}

// endLogs tells what is left of all output.
func (p *Progress) endLogs() {
	for _, subject := range slices.Sorted(maps.Keys(p.logs)) {
		p.endLog(subject)
	}
}
