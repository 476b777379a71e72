package probe

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
)

// ErrDynamic is a program that needs the system's C library, and so cannot run in an image of its own.
var ErrDynamic = errors.New("this program is linked with the system's C library")

// Executable returns the bytes of the running program, which must be a static Linux program.
func Executable() ([]byte, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return StaticProgram(path)
}

// StaticProgram reads a program that runs without any other file.
func StaticProgram(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the probe program: %w", err)
	}
	program, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading the probe program %s: %w", path, err)
	}
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil, fmt.Errorf("reading the probe program %s: %w", path, ErrDynamic)
	}
	return data, nil
}
