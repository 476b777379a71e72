package profile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

const dated = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  cache: {preset: redis}
exceptions:
  - {control: HSE-FS-001, service: cache, reason: legacy, expires: 2026-06-14}
  - {control: HSE-FS-002, service: cache, reason: legacy, expires: 2026-06-15}
monitoring:
  exceptions:
    - {control: HSE-FS-003, service: cadvisor, reason: control groups, expires: 2026-06-13}
    - {control: HSE-FS-003, service: container-exporter, reason: records, expires: 2999-01-01}
    - {control: HSE-USR-001, service: container-exporter, reason: records, expires: 2999-01-01}
    - {control: HSE-FS-003, service: alloy, reason: logs, expires: 2999-01-01}
    - {control: HSE-USR-001, service: alloy, reason: logs, expires: 2999-01-01}
supply_chain:
  ignore:
    - {id: CVE-2026-1, reason: not reached, expires: 2026-06-01}
`

// A profile is read whatever the day. What has expired is asked for, of the stack or of its monitoring, and has a place.
func TestExpired(t *testing.T) {
	p, err := parser.Parse([]byte(dated), parser.Options{File: "shop.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	const ( // the last day still counts
		first      = "shop.yaml:7:68: the exception for HSE-FS-001 expired on 2026-06-14"
		second     = "shop.yaml:8:68: the exception for HSE-FS-002 expired on 2026-06-15"
		monitoring = "shop.yaml:11:81: the exception for HSE-FS-003 expired on 2026-06-13"
		ignored    = "shop.yaml:18:54: ignoring CVE-2026-1 expired on 2026-06-01"
	)
	for _, c := range []struct {
		day   string
		roots []string
		want  []string
	}{
		{"2026-05-31", []string{"", "monitoring."}, nil},
		{"2026-06-14", []string{""}, []string{ignored}},
		{"2026-06-15", []string{""}, []string{first, ignored}},
		{"2026-06-15", []string{"monitoring."}, []string{monitoring, ignored}},
		{"2026-06-16", []string{"", "monitoring."}, []string{first, second, monitoring, ignored}},
	} {
		today, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, problem := range yamldoc.Problems(p.Expired(today.Add(23*time.Hour), c.roots...)) {
			got = append(got, problem.Error())
			if problem.Hint == "" {
				t.Errorf("%s has no hint", problem)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s %q: got\n%s\nwant\n%s", c.day, c.roots, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
	if err := p.Expired(time.Time{}, "", "monitoring."); err != nil {
		t.Errorf("without a day nothing has expired: %v", err)
	}
}
