package edge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Caddy loads its configuration while it runs: it reads Caddyfile again when it gets the signal, and where it refuses what
// it finds there, the one before stays in force. So which files lie next to Caddy says nothing about what it does. The file of
// the version does: it is part of the configuration, and what the health test prints comes from the one in force.
const (
	// ReloadSignal lets Caddy read its configuration again; since Caddy 2.11.
	ReloadSignal = "SIGUSR1"
	// VersionFile is in the directory of the configuration.
	VersionFile = "version"

	digestLength = 16 // of hexadecimal digits: enough to distinguish versions; there is no gain in a collision
)

// Version returns the file by which the edge says which configuration it has loaded, and from which volumes that came.
func Version(caddyfile []byte, volumes ...string) File {
	return File{VersionFile, fmt.Appendf(nil, "respond /config/ \"%s from %s\" 200\n", Digest(caddyfile), strings.Join(volumes, " and "))}
}

// LoadedVersion reads from what the health test prints which configuration the edge has loaded, or nothing.
func LoadedVersion(printed string) string {
	digest, _, ok := strings.Cut(strings.TrimSpace(printed), " from ")
	if _, err := hex.DecodeString(digest); !ok || err != nil || len(digest) != digestLength {
		return ""
	}
	return digest
}

// Digest names a configuration.
func Digest(caddyfile []byte) string {
	sum := sha256.Sum256(caddyfile)
	return hex.EncodeToString(sum[:])[:digestLength]
}
