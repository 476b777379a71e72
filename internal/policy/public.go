package policy

import "slices"

// publicFile reports whether a bind shows what every process may read anyway, and cannot change it: the time zone and the
// public certificates of the host.
func publicFile(source string, writable bool) bool {
	return !writable && slices.Contains([]string{"/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"}, source)
}
