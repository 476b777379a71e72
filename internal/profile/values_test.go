package profile_test

import (
	"testing"

	"github.com/hsectl/hsectl/internal/profile"
)

func TestAmounts(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "512": 512, "64k": 64 << 10, "512M": 512 << 20, "512m": 512 << 20, "1G": 1 << 30,
		"1GiB": 1 << 30, "1.5g": 3 << 29, "2T": 2 << 40} {
		var b profile.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b.N != want || b.String() != text {
			t.Errorf("%s: got %d, %q, %v", text, b.N, b, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "-1M", "1 gallon", "M", "0x10", "NaN", "inf", "9999999999999999999999T"} {
		var b profile.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %d bytes", text, b.N)
		}
	}
	for text, want := range map[string]int64{"1": 1e9, "0.5": 5e8, "2.0": 2e9, "0.001": 1e6, "64": 64e9, "0.123456789": 123456789} {
		var c profile.CPUs
		if err := c.UnmarshalText([]byte(text)); err != nil || c.Nano != want || c.String() != text {
			t.Errorf("%s: got %d, %q, %v", text, c.Nano, c, err)
		}
	}
	for _, text := range []string{"", "0", "0.0", "-1", "1e3", ".5", "0.0001", "1,5", "two", "NaN", "Inf", "123456", " 1"} {
		var c profile.CPUs
		if err := c.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %d nano cpus", text, c.Nano)
		}
	}
	for _, text := range []string{"", "0", "0s", "-1s", "1", "1 s", "soon", "1d", "9999999h9999999h"} {
		var d profile.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, d.D)
		}
	}
}

func TestUsersAndModes(t *testing.T) {
	for _, text := range []string{"", "1000", "a:b", "1000:", ":1000", "-1:0", "1000:1000:1000", "4294967296:1", "1.0:1", "+1:1"} {
		var u profile.User
		if err := u.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, u)
		}
	}
	var u profile.User
	if err := u.UnmarshalText([]byte("1000:2000")); err != nil || u.String() != "1000:2000" || !u.Set {
		t.Errorf("got %v, %v", u, err)
	}
	for text, want := range map[string]string{"0700": "0700", "700": "0700", "1777": "1777", "0o750": "0750", "0": "0000"} {
		var m profile.Mode
		if err := m.UnmarshalText([]byte(text)); err != nil || m.String() != want {
			t.Errorf("%s: got %s, %v", text, m, err)
		}
	}
	for _, text := range []string{"", "800", "rwx", "-1", "17777", "0x1ff"} {
		var m profile.Mode
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, m)
		}
	}
}
