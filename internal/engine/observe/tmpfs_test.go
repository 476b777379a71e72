package observe

import "testing"

func TestTmpfsSize(t *testing.T) {
	for option, want := range map[string]int64{"size=8388608": 8 << 20, "size=8m": 8 << 20, "size=64k": 64 << 10, "size=1G": 1 << 30, "size=50%": 0, "mode=0700": 0, "": 0} {
		if got := tmpfsSize([]string{"noexec", option}); got != want {
			t.Errorf("%q is %d, want %d", option, got, want)
		}
	}
}
