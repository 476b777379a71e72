//go:build !linux

package place

import (
	"errors"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// Wires is for Linux: containers run nowhere else.
func Wires() (map[string][]byte, error) { return nil, errors.ErrUnsupported }

// Tops is for Linux, too.
func Tops(string, []string) []verify.Top { return nil }

// Special is for Linux, too.
func Special(string, string) ([]verify.Special, error) { return nil, errors.ErrUnsupported }

// Nodes is for Linux, too.
func Nodes(string) ([]kernel.Node, error) { return nil, errors.ErrUnsupported }

// Names is for Linux, too.
func Names(string, func(string, ...any)) (map[string]string, string) { return nil, "" }
