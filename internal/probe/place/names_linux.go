package place

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// Names reads the files by which a container knows names, and returns the digest of the resolver's one as well. Only names, addresses and
// settings of a resolver leave it: what else somebody may have written there would end in the engine's log of the probe. Why a file that is
// there could not be read is noted.
func Names(target string, note func(format string, args ...any)) (files map[string]string, sum string) {
	files = map[string]string{}
	for _, file := range kernel.NameFiles() {
		text, err := readIn(target, file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			note("reading %s: %v", file, err)
		default:
			files[file] = kernel.Reduced(file, text)
			if file == kernel.ResolverFile {
				sum = digest(text)
			}
		}
	}
	return files, sum
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Recorded returns the resolver's file of a machine, and whether the engine there has recorded, next to its own copy, that a
// container's is as it wrote it.
func Recorded(root, written, sum string) (machine string, own bool) {
	if text, err := readIn(root, kernel.ResolverFile); err == nil {
		machine = kernel.Reduced(kernel.ResolverFile, text)
	}
	if written == "" || sum == "" {
		return machine, false
	}
	recorded, err := readIn(root, written+".hash")
	return machine, err == nil && strings.TrimSpace(recorded) == sum
}

// readIn reads a file below root, as a container would find it, and waits for none.
func readIn(root, name string) (string, error) {
	at, err := Resolve(root, name)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(at, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNamesBytes+1))
	if err == nil && len(data) > maxNamesBytes {
		return "", fmt.Errorf("it is longer than %d bytes", maxNamesBytes)
	}
	return string(data), err
}

// maxNamesBytes bounds a file of names.
const maxNamesBytes = 64 << 10
