package drift_test

import "testing"

// The comparison of one container; a stack of 50 has 50 of them in each verify.
func BenchmarkContainer(b *testing.B) {
	s := engines(b)["engine20"]
	for b.Loop() {
		if found, err := s.Container("cache", s.Containers["/shop-cache-1"]); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}
