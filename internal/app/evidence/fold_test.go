package evidence

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

// One cause is one finding; what fails by itself, is unknown or is another service's stays.
func TestFold(t *testing.T) {
	failed := func(subject, control, detail string) finding.Finding {
		return finding.Finding{Subject: subject, Control: control, Status: finding.Fail, Detail: detail}
	}
	got := fold([]finding.Finding{
		failed("a", "HSE-CAP-002", "process of the service can have SYS_ADMIN"), failed("a", "HSE-PRV-001", "the container is privileged"), failed("a", "HSE-KRN-001", "no filter"),
		failed("b", "HSE-KRN-001", "no filter"), {Subject: "a", Control: "HSE-KRN-002", Detail: "not seen"}, failed("a", "HSE-RES-007", "tmpfs without a size"), failed("a", "HSE-LOG-001", "keeps everything"),
	})
	var names []string
	for _, f := range got {
		names = append(names, f.Subject+" "+f.Control)
	}
	if text := strings.Join(names, ", "); text != "a HSE-PRV-001, b HSE-KRN-001, a HSE-KRN-002, a HSE-RES-007, a HSE-LOG-001" {
		t.Errorf("%s", text)
	}
	if got[0].Detail != "the container is privileged; with it fails HSE-CAP-002, HSE-KRN-001" {
		t.Errorf("%s", got[0].Detail)
	}
}
