//go:build !linux

package probe

import "github.com/hsectl/hsectl/internal/verify"

// attempts is for Linux: containers run nowhere else.
func attempts() []verify.Trial { return nil }

// reach is for Linux, too.
func reach([]verify.Target) []verify.Reached { return nil }
