package scan

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// kindOf returns the type of the packages of a distribution, by the ID of its os-release(5). Those are known whose advisories
// OSV publishes; for any other one the lack of an advisory means nothing.
func kindOf(id string) string {
	switch id {
	case "debian", "ubuntu":
		return "deb"
	case "alpine", "wolfi", "chainguard", "minimos", "alpaquita", "clnstrt", "cleanstart", "bellsoft-hardened-containers":
		return "apk"
	case "rhel", "rocky", "almalinux", "openEuler", "mageia", "sles", "azurelinux", "mariner", "opensuse-leap":
		return "rpm"
	}
	return ""
}

// isSystemPackage tells a package of a distribution from one of a language.
func isSystemPackage(p Package) bool { return slices.Contains([]string{"deb", "apk", "rpm"}, p.Type) }

// unseen says what an image must have and does not show: its packages cannot be looked up then. Trace is a file that only a
// distribution brings, or nothing.
func (c Contents) unseen(trace string) []string {
	id, system := c.Release["ID"], slices.ContainsFunc(c.Packages, isSystemPackage)
	switch kind := kindOf(id); {
	case id == "" && system:
		return []string{"the image has packages of a distribution, and no os-release says of which"}
	case id == "" && trace != "":
		return []string{fmt.Sprintf("the image has /%s, and neither an os-release nor a package database says what it belongs to", trace)}
	case id == "":
		return nil // a program alone, without a distribution
	case kind == "":
		return []string{fmt.Sprintf("no advisories are known for the distribution %q", id)}
	case !slices.ContainsFunc(c.Packages, func(p Package) bool { return p.Type == kind }):
		return []string{fmt.Sprintf("the image is of %s, and has no package database of the type %s", id, kind)}
	}
	return nil
}

// isTrace tells a file that comes with a distribution: a C library, its loader, or a shell.
func isTrace(name string) bool {
	base := path.Base(name)
	for _, prefix := range []string{"ld-linux", "ld-musl-", "libc.so.", "libc.musl-"} {
		if strings.HasPrefix(base, prefix) && strings.Contains("/"+name, "/lib") {
			return true
		}
	}
	return isTool(name)
}

// unreadable says why the packages of a program cannot be seen, if so: it is damaged, packed, or a Go program that does not say what
// was built into it.
func unreadable(r io.ReaderAt) string {
	var head [4096]byte
	n, err := r.ReadAt(head[:], 0)
	if err != nil && n == 0 || !bytes.HasPrefix(head[:n], []byte(elf.ELFMAG)) {
		return ""
	}
	file, err := elf.NewFile(r)
	if err != nil {
		return "is a program that cannot be read: " + err.Error()
	}
	if bytes.Contains(head[:n], []byte("UPX!")) && len(file.Sections) == 0 {
		return "is a packed program"
	}
	for _, s := range file.Sections {
		switch s.Name {
		case ".go.buildinfo", ".gopclntab", ".note.go.buildid":
			return "is a Go program that does not say which modules it was built from"
		}
	}
	return ""
}
