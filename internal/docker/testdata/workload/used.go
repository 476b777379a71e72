package main

import (
	"bytes"
	"os"
	"runtime"
)

// Amounts that a busy server uses, in MiB and threads: the test of sizes knows them.
const (
	usedAnonymous = 40
	usedTmpfs     = 16
	usedCache     = 64
	usedThreads   = 20

	usedProcessors = 2
)

// busy serves with a known use of everything: memory of its own, files in a tmpfs, files in the page cache, threads, and two processors.
func busy() {
	kept := make([]byte, usedAnonymous<<20)
	for i := range kept {
		kept[i] = byte(i)
	}
	err := os.WriteFile("/tmp/file", bytes.Repeat([]byte("x"), usedTmpfs<<20), 0o600)
	if err == nil {
		err = cached("/data/file")
	}
	stay := make(chan struct{})
	for range usedThreads {
		go func() {
			runtime.LockOSThread()
			<-stay
		}()
	}
	for range usedProcessors {
		go func() {
			for i := 0; ; i++ {
				_ = kept[i%len(kept)]
			}
		}()
	}
	needs(err)
	runtime.KeepAlive(kept)
}

// cached fills the page cache with a file, piece by piece.
func cached(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	piece := make([]byte, 1<<20)
	for range usedCache {
		if _, err := f.Write(piece); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
