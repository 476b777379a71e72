package record_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What version 1 wrote is read as it was meant, and written again it is a record of this version that says the same.
func TestRecordsOfVersion1(t *testing.T) {
	r, err := record.DecodeRelease(fixture(t, "release-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	model := r.Model()
	web, _ := model.Service("web")
	if r.Number != 7 || r.Made.By != "root" || len(model.Services) != 3 || web.Wanted() != 2 || web.Owner != "team-shop" || web.Shutdown.Grace == 0 ||
		web.SLO.LatencyP95 != 300*time.Millisecond || len(web.Exceptions) != 1 || len(model.Jobs) != 1 || model.Jobs[0].Timeout != time.Minute ||
		model.Edge == nil || len(model.Edge.Sites) != 1 || len(model.Edge.Sites[0].Routes) != 2 || web.Extra["working_dir"] != "/app" {
		t.Errorf("release 7 is read as %+v", model)
	}
	if len(r.Rendered) == 0 || r.Rendered[0].Path != "docker-compose.yml" || len(r.Rendered[0].Data) == 0 || !slices.Contains(r.Live, "edge") {
		t.Errorf("its files are %+v, live %v", r.Rendered, r.Live)
	}
	again, err := record.EncodeRelease(r)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(again), record.Version) || strings.Contains(string(again), `"model"`) {
		t.Error("it is written again as version 1")
	}
	if same, err := record.DecodeRelease(again); err != nil || !reflect.DeepEqual(same, r) {
		t.Errorf("written again it is another one: %v", err)
	}
	if older, err := record.DecodeRelease(fixture(t, "release-before-replicas.json")); err != nil || older.Number != 1 || len(older.Intent.Services) != 2 {
		t.Errorf("a release from before replicas: %+v, %v", older.Number, err)
	}
	if o, err := record.DecodeOutcome(fixture(t, "outcome-v1.json")); err != nil || o.Status != record.Deployed || len(o.Containers["web"]) != 2 || !o.Proof.Proven {
		t.Errorf("its outcome is %+v, %v", o, err)
	}
	if j, err := record.DecodeJournal([][]byte{fixture(t, "journal-v1.json")}); err != nil || j.Sequence != 12 || !j.Open() {
		t.Errorf("its journal is %+v, %v", j, err)
	}
}

// sealedAs is a record in an envelope of a version.
func sealedAs(t *testing.T, version, kind, body string) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"apiVersion": version, "kind": kind, "sha256": record.Digest([]byte(body)), "body": json.RawMessage(body)})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A record of a later version is not damaged: the program is too old for it, and says so in one line.
func TestRecordsOfALaterVersion(t *testing.T) {
	for _, version := range []string{"hsectl/v3", "hsectl/v10"} {
		_, release := record.DecodeRelease(sealedAs(t, version, "Release", `{"sealing":"of another kind"}`))
		_, outcome := record.DecodeOutcome(sealedAs(t, version, "Outcome", `{}`))
		_, journal := record.DecodeJournal([][]byte{sealedJournal(t, record.Journal{Sequence: 4}), sealedAs(t, version, "Journal", `{}`)})
		for kind, err := range map[string]error{"release": release, "outcome": outcome, "journal": journal} {
			var newer *record.NewerError
			if !errors.As(err, &newer) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), version) {
				t.Errorf("a %s of %s: %v", kind, version, err)
			}
		}
	}
	extended := []byte(`{"apiVersion":"hsectl/v3","kind":"Release","signature":"x","sha256":"","body":{}}`)
	var newer *record.NewerError
	if _, err := record.DecodeRelease(extended); !errors.As(err, &newer) {
		t.Errorf("a later envelope with more keys: %v", err)
	}
	for _, version := range []string{"", "hsectl/v0", "hsectl/v02", "hsectl/v3x", "other/v3", "hsectl/v99999999999999999999"} {
		if _, err := record.DecodeRelease(sealedAs(t, version, "Release", `{}`)); err == nil || errors.As(err, &newer) {
			t.Errorf("version %q: %v", version, err)
		}
	}
	h := record.History{{Number: 1}, {Number: 2, Err: newer}}
	if err := h.Newer(); !errors.Is(err, newer) {
		t.Errorf("a history with a newer release: %v", err)
	}
	if err := h[:1].Newer(); err != nil {
		t.Error(err)
	}
}

// A key that this version does not know is no record of this version: half of a promise cannot be kept.
func TestUnknownKeys(t *testing.T) {
	for kind, decode := range map[string]func([]byte) error{
		"Release": func(d []byte) error { _, err := record.DecodeRelease(d); return err },
		"Outcome": func(d []byte) error { _, err := record.DecodeOutcome(d); return err },
		"Journal": func(d []byte) error { _, err := record.DecodeJournal([][]byte{d, d}); return err },
	} {
		for _, version := range []string{record.First, record.Version} {
			if err := decode(sealedAs(t, version, kind, `{"surprise":1}`)); err == nil {
				t.Errorf("a %s of %s with an unknown key is taken", kind, version)
			}
		}
	}
	if _, err := record.DecodeRelease(sealedAs(t, record.First, "Release", `{"stack":"shop","intent":{"name":"shop"}}`)); err == nil {
		t.Error("version 1 had no intent")
	}
	if _, err := record.DecodeRelease(sealedAs(t, record.Version, "Release", `{"stack":"shop","model":{"Name":"shop"}}`)); err == nil {
		t.Error("version 2 has no model")
	}
}

// Every field of the hardened model is kept: one that is added to the model and not to the records makes this test fail.
func TestIntentKeepsTheWholeModel(t *testing.T) {
	var model stack.Stack
	count := fill(reflect.ValueOf(&model).Elem(), 1)
	if count < 100 {
		t.Fatalf("only %d values were filled in", count)
	}
	data, err := json.Marshal(record.NewIntent(model))
	if err != nil {
		t.Fatal(err)
	}
	var kept record.Intent
	if err := record.Strict(data, &kept); err != nil {
		t.Fatal(err)
	}
	if got := kept.Stack(); !reflect.DeepEqual(got, model) {
		t.Errorf("kept   %+v\nbefore %+v", got, model)
	}
	if empty := record.NewIntent(stack.Stack{}).Stack(); !reflect.DeepEqual(empty, stack.Stack{}) {
		t.Errorf("an empty model comes back as %+v", empty)
	}
}

// fill gives every field below v a value of its own that is not zero, and returns how many there are.
func fill(v reflect.Value, n int) int {
	switch v.Interface().(type) {
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32)))
		return n + 1
	case []byte:
		v.SetBytes([]byte{byte(n), 1})
		return n + 1
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{"key": fmt.Sprint("value ", n)}))
		return n + 1
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() { // the day on which a stack is judged is no part of what is meant
				if v.Field(i).CanSet() { // what is not exported is of one run
					n = fill(v.Field(i), n)
				}
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			n = fill(v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		n = fill(value, fill(key, n))
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", n))
		n++
	case reflect.Bool:
		v.SetBool(true)
		n++
	case reflect.Float64:
		v.SetFloat(float64(n) + 0.5)
		n++
	default:
		v.SetInt(int64(n))
		n++
	}
	return n
}
