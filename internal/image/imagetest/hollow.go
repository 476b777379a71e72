// Package imagetest makes what no image tool makes, for tests of what reads images.
package imagetest

import (
	"encoding/binary"
	"fmt"
)

// Hollow returns a layer with one file of that size, all of it a hole, in the old GNU form (GNU tar manual, "Basic Tar Format":
// struct oldgnu_header). The file takes three blocks, whatever its size is.
func Hollow(size int64) []byte {
	const (
		block                      = 512
		mode, checksum, kind       = 100, 148, 156
		magic                      = 257
		pieces, pieceSize, logical = 386, 398, 483
		wide                       = 0x80 // a number in base 256, which octal has no room for
	)
	header := make([]byte, block)
	copy(header, "hole")
	copy(header[mode:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00")
	header[kind] = 'S'
	copy(header[magic:], "ustar  \x00")
	header[pieces], header[logical] = wide, wide
	binary.BigEndian.PutUint64(header[pieces+4:], uint64(size)) // one piece, at the end
	copy(header[pieceSize:], "00000000000\x00")                 // without content
	binary.BigEndian.PutUint64(header[logical+4:], uint64(size))
	copy(header[checksum:], "        ")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[checksum:], fmt.Sprintf("%06o\x00 ", sum))
	return append(header, make([]byte, 2*block)...)
}
