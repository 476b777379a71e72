//go:build !linux

package probe

import (
	"context"
	"errors"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// attempts is for Linux: containers run nowhere else.
func attempts() []verify.Trial { return nil }

func trace() []verify.Trial { return nil }

// reach is for Linux, too.
func reach([]verify.Target) []verify.Reached { return nil }

// Hold is for Linux, too.
func Hold(context.Context, verify.Hold, func(drills.Held) error) error {
	return errors.New("programs of a container cannot be held on this system")
}
