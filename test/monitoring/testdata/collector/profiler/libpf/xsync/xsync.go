// Package xsync stands for the one of the eBPF profiler; see package libpf.
package xsync

import "sync"

// RWMutex guards a value.
type RWMutex[T any] struct {
	mu    *sync.RWMutex
	value T
}

// NewRWMutex returns the guard of a value.
func NewRWMutex[T any](value T) RWMutex[T] { return RWMutex[T]{mu: &sync.RWMutex{}, value: value} }

// WLock returns the value, for whoever asks alone.
func (m *RWMutex[T]) WLock() *T { m.mu.Lock(); return &m.value }

// WUnlock gives it back.
func (m *RWMutex[T]) WUnlock(**T) { m.mu.Unlock() }
