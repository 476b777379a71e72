package audit

import (
	"strings"
	"time"
)

// ends are the last days on which the distributors publish updates for everybody, from
// https://wiki.debian.org/LTS, https://wiki.ubuntu.com/Releases, https://alpinelinux.org/releases and the life cycle
// pages of Red Hat, Rocky Linux and AlmaLinux.
var ends = map[string]string{
	"debian 8": "2020-06-30", "debian 9": "2022-06-30", "debian 10": "2024-06-30", "debian 11": "2026-08-31", "debian 12": "2028-06-30", "debian 13": "2030-06-30",
	"ubuntu 16.04": "2021-04-30", "ubuntu 18.04": "2023-05-31", "ubuntu 20.04": "2025-05-31", "ubuntu 22.04": "2027-04-30", "ubuntu 24.04": "2029-05-31",
	"ubuntu 24.10": "2025-07-10", "ubuntu 25.04": "2026-01-15", "ubuntu 25.10": "2026-07-31",
	"alpine 3.16": "2024-05-23", "alpine 3.17": "2024-11-22", "alpine 3.18": "2025-05-09", "alpine 3.19": "2025-11-01",
	"alpine 3.20": "2026-04-01", "alpine 3.21": "2026-11-01", "alpine 3.22": "2027-05-01", "alpine 3.23": "2027-11-01",
	"centos 7": "2024-06-30", "centos 8": "2021-12-31", "rocky 8": "2029-05-31", "rocky 9": "2032-05-31", "almalinux 8": "2029-03-01", "almalinux 9": "2032-05-31",
	"rhel 7": "2024-06-30", "rhel 8": "2029-05-31", "rhel 9": "2032-05-31", "fedora 40": "2025-05-13", "fedora 41": "2025-12-15", "fedora 42": "2026-05-27",
}

// endOfLife returns the last day of support of a release, when it is known.
func endOfLife(release map[string]string) (time.Time, string, bool) {
	id, version := release["ID"], release["VERSION_ID"]
	parts := strings.SplitN(version, ".", 3)
	for n := len(parts); n > 0; n-- {
		if day, ok := ends[id+" "+strings.Join(parts[:n], ".")]; ok {
			t, err := time.Parse(time.DateOnly, day)
			return t.Add(24 * time.Hour), id + " " + strings.Join(parts[:n], "."), err == nil
		}
	}
	return time.Time{}, "", false
}
