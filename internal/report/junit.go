package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/hsectl/hsectl/internal/finding"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the XML that CI systems read: a suite for each service, a case for each control. What is unknown is an
// error, so that no CI takes it for a pass; what is waived or does not apply is skipped. There is no attribute that the schema
// of Jenkins does not know: it refuses the whole file for one.
func JUnit(w io.Writer, d Document) error {
	out := junitSuites{Name: "hsectl " + d.Subject}
	for _, subject := range subjects(d.Findings) {
		suite := junitSuite{Name: d.Subject + "." + subject}
		for _, f := range d.Findings {
			if f.Subject == subject {
				suite.add(junitTest(suite.Name, f))
			}
		}
		out.Tests += suite.Tests
		out.Failures += suite.Failures
		out.Errors += suite.Errors
		out.Suites = append(out.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(out); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func junitTest(class string, f finding.Finding) junitCase {
	c := junitCase{Name: f.Control + " " + f.Title, Class: class}
	text := &junitMessage{Message: f.Detail, Type: f.Severity.String(), Text: fmt.Sprintf("evidence: %s\nfix: %s\nwhere: %s", f.Tier, f.Remedy, f.Where)}
	if f.Owner != "" {
		text.Text += "\nowner: " + f.Owner
	}
	switch f.Status {
	case finding.Fail, finding.Drift:
		text.Type = f.Status.String() + ", " + text.Type
		c.Failure = text
	case finding.Unknown:
		c.Error = text
	case finding.Waived:
		c.Skipped = &junitMessage{Message: "waived: " + f.Detail}
		if f.Waiver != nil {
			c.Skipped.Message = fmt.Sprintf("waived until %s: %s", f.Waiver.Expires, f.Waiver.Why())
		}
	case finding.NotApplicable:
		c.Skipped = &junitMessage{Message: "not applicable: " + f.Detail}
	case finding.Advice:
		c.Output = fmt.Sprintf("advice: %s; %s", f.Detail, f.Remedy)
	default:
		c.Output = fmt.Sprintf("%s: %s", f.Tier, f.Detail)
	}
	return c
}
