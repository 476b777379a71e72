package drift_test

import (
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	"github.com/hsectl/hsectl/internal/drift"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// changed is one field of an answer with another value.
type changed struct {
	path  string // as edit takes it
	value any
}

// fields lists each field of a type that a program can read from an answer, as a change of it. have is what the answer has there.
func fields(of reflect.Type, at string, have any) []changed {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if value, ok := scalar(of, have); ok {
		return []changed{{at, value}}
	}
	switch of.Kind() {
	case reflect.Struct:
		var out []changed
		in, _ := have.(map[string]any)
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "-" || !f.IsExported() && !f.Anonymous:
			case f.Anonymous && name == "":
				out = append(out, fields(f.Type, at, have)...)
			default:
				if name == "" {
					name = f.Name
				}
				out = append(out, fields(f.Type, strings.TrimPrefix(at+"/"+name, "/"), in[name])...)
			}
		}
		return out
	case reflect.Slice, reflect.Array:
		items, _ := have.([]any)
		out := each(fields(of.Elem(), at+"/+", nil))
		if len(items) > 0 && (of.Elem().Kind() == reflect.Struct || of.Elem().Kind() == reflect.Pointer) {
			out = append(out, fields(of.Elem(), at+"/0", items[0])...)
		}
		return out
	case reflect.Map:
		in, _ := have.(map[string]any)
		key := "zz"
		if of.Key() == reflect.TypeFor[network.Port]() {
			key = "9999~tcp"
		}
		out := each(fields(of.Elem(), at+"/"+key, nil))
		for _, k := range slices.Sorted(keys(in)) {
			return append(out, fields(of.Elem(), at+"/"+strings.ReplaceAll(k, "/", "~"), in[k])...)
		}
		return out
	case reflect.Interface:
		return []changed{{at, "zz"}}
	}
	panic(fmt.Sprintf("%s: %s", at, of))
}

func keys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// each keeps the changes of a new entry. An entry that is nothing but its key is one, too.
func each(in []changed) []changed {
	if len(in) == 0 {
		return in
	}
	return in
}

// scalar is another value for a type that is one text, number or flag in JSON.
func scalar(of reflect.Type, have any) (any, bool) {
	switch of {
	case reflect.TypeFor[time.Time]():
		return "2001-02-03T04:05:06Z", true
	case reflect.TypeFor[netip.Addr]():
		return "10.9.9.9", true
	case reflect.TypeFor[netip.Prefix]():
		return "10.9.0.0/24", true
	case reflect.TypeFor[network.HardwareAddr](), reflect.TypeFor[net.HardwareAddr]():
		return "02:00:00:00:00:99", true
	}
	if reflect.PointerTo(of).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) && of.Kind() != reflect.String {
		return "zz", true
	}
	switch of.Kind() {
	case reflect.String:
		if have == "zz" {
			return "zzz", true
		}
		return "zz", true
	case reflect.Bool:
		return have != true, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		if have == json.Number("7") || have == 7.0 {
			return 8, true
		}
		return 7, true
	case reflect.Struct:
		if of.NumField() == 0 {
			return map[string]any{}, true
		}
	}
	return nil, false
}

// Every field that the engine's API has for containers, networks and volumes is compared, or named in the table with a reason.
// The list of the latter is written down, so that none joins it unseen.
func TestEveryFieldCounts(t *testing.T) {
	t.Parallel()
	for engine, s := range engines(t) {
		var exempt []string
		n := 0
		count := func(kind string, raw json.RawMessage, of reflect.Type, compare func(json.RawMessage) ([]drift.Difference, error)) {
			var have any
			if err := json.Unmarshal(raw, &have); err != nil {
				t.Fatal(err)
			}
			for _, c := range fields(of, "", have) {
				n++
				found, err := compare(edit(t, raw, c.path, c.value))
				if err == nil && len(found) == 0 {
					exempt = append(exempt, kind+" "+c.path)
				}
			}
		}
		raw := s.Containers["/shop-cache-1"]
		count("container", raw, reflect.TypeFor[container.InspectResponse](), func(raw json.RawMessage) ([]drift.Difference, error) {
			return s.Comparison.Container("cache", raw)
		})
		count("network", s.Networks["shop_back"][0], reflect.TypeFor[network.Inspect](), func(raw json.RawMessage) ([]drift.Difference, error) { return s.Comparison.Network("shop_back", raw) })
		count("volume", s.Volumes["shop_data"], reflect.TypeFor[volume.Volume](), func(raw json.RawMessage) ([]drift.Difference, error) { return s.Comparison.Volume("shop_data", raw) })
		if n < 250 {
			t.Errorf("only %d fields were changed", n)
		}
		slices.Sort(exempt)
		golden(t, engine+".exempt", strings.Join(exempt, "\n")+"\n")
	}
}

// The table itself is written down with its reasons.
func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, kind := range []string{"container", "network", "volume"} {
		for _, e := range drift.Exemptions()[kind] {
			if e.Why == "" {
				t.Errorf("%s may differ without a reason", e.Path)
			}
			fmt.Fprintf(&out, "%s %s: %s", kind, e.Path, e.Why)
			if e.Engines != "" {
				fmt.Fprintf(&out, " (engines: %s)", e.Engines)
			}
			out.WriteByte('\n')
		}
	}
	golden(t, "table.txt", out.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s has changed; what may differ grows only with a reason. Got:\n%s", name, got)
	}
}
