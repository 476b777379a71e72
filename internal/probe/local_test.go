//go:build linux && (amd64 || arm64)

package probe

import (
	"maps"
	"testing"

	"github.com/hsectl/hsectl/internal/verify"
)

func TestWithin(t *testing.T) {
	all := map[int]machineProcess{
		1:  {parent: 0, namespace: "host", numbers: []int{1}},
		10: {parent: 1, namespace: "host", numbers: []int{10}},           // a shim
		20: {parent: 10, namespace: "box", numbers: []int{20, 1}},        // the container's first process
		21: {parent: 20, namespace: "box", numbers: []int{21, 2}},        // its child
		22: {parent: 10, namespace: "box", numbers: []int{22, 9}},        // an exec: its parent is outside
		30: {parent: 21, namespace: "nested", numbers: []int{30, 3, 1}},  // a namespace below
		31: {parent: 30, namespace: "nested", numbers: []int{31, 4, 2}},  // and its child
		40: {parent: 10, namespace: "other", numbers: []int{40, 1}},      // another container
		41: {parent: 40, namespace: "other", numbers: []int{41, 2}},      //
		50: {parent: 40, namespace: "deeper", numbers: []int{50, 3, 1}},  // below another container
		60: {parent: 99, namespace: "orphan", numbers: []int{60, 5, 17}}, // its parent ended meanwhile
	}
	if got, want := within(all, 20), map[int]int{20: 1, 21: 2, 22: 9, 30: 3, 31: 4}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := within(all, 12345); len(got) != 0 {
		t.Errorf("a process that is not there has %v", got)
	}
}

func TestRenumbered(t *testing.T) {
	members := map[int]int{20: 1, 21: 2}
	for in, want := range map[string]string{
		"Name:\tx\nPPid:\t20\nUid:\t1\n": "Name:\tx\nPPid:\t1\nUid:\t1\n",
		"Name:\tx\nPPid:\t10\nUid:\t1\n": "Name:\tx\nPPid:\t0\nUid:\t1\n",
		"Name:\tx\nUid:\t1\n":            "Name:\tx\nUid:\t1\n",
		"Name:\tx\nPPid:\t?\n":           "Name:\tx\nPPid:\t?\n",
	} {
		if got := renumbered(in, members); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestUpperDir(t *testing.T) {
	for line, want := range map[string]string{
		"1 0 0:1 / / ro - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/x/diff,workdir=/x/work\n": "/x/diff",
		"1 0 0:1 / / ro shared:1 master:2 - overlay overlay rw,upperdir=/x/diff":                    "/x/diff",
		"1 0 0:1 / /other ro - overlay overlay rw,upperdir=/x/diff":                                 "",
		"1 0 8:1 / / ro - ext4 /dev/sda rw":                                                         "",
		"":                                                                                          "",
	} {
		if got := upperDir(line); got != want {
			t.Errorf("%q has %q", line, got)
		}
	}
	if _, _, ok := layer("1 0 0:1 / / ro - overlay overlay rw,upperdir=/nonexistent/diff", "/"); ok {
		t.Error("a layer that is not on this machine was seen")
	}
}

// A process of this machine that is not in the container's control group is not the container's.
func TestLocalTrustsNoNumber(t *testing.T) {
	look := Local()
	id := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, pid := range []int{1, 1 << 22, 0, -1} {
		if _, err := look(t.Context(), pid, id, verify.Request{Write: []string{"/"}}); err == nil {
			t.Errorf("process %d was taken for a container", pid)
		}
	}
}
