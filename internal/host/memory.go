package host

import (
	"context"
	"os"
	"runtime"
)

// TakeMemory takes so many bytes and touches each page, so that they count. It returns when it has them all.
func TakeMemory(ctx context.Context, bytes int64) error {
	const chunk = 8 << 20
	page := os.Getpagesize()
	var kept [][]byte
	for taken := int64(0); taken < bytes && ctx.Err() == nil; taken += chunk {
		b := make([]byte, chunk)
		for i := 0; i < chunk; i += page {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	runtime.KeepAlive(kept)
	return ctx.Err()
}
