package size

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// matrix is an answer with series as JSON.
func matrix(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

func labelled(stack, service, values string) string {
	return fmt.Sprintf(`{"metric":{"stack":%q,"service":%q},"values":[%s]}`, stack, service, values)
}

// at is a sample some hours after the begin.
func at(hours int, value string) string {
	return fmt.Sprintf(`[%d,%q]`, begin.Add(time.Duration(hours)*time.Hour).Unix(), value)
}

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		body             string
		want             string // values of web
		foreign, dropped int
	}{
		"one series":          {matrix(labelled("shop", "web", at(1, "5")+","+at(2, "6.5"))), "5 6.5", 0, 0},
		"a gap":               {matrix(labelled("shop", "web", at(1, "5")+","+at(9, "6"))), "5 6", 0, 0},
		"another stack":       {matrix(labelled("other", "web", at(1, "9")), labelled("shop", "web", at(1, "5"))), "5", 1, 0},
		"another service":     {matrix(labelled("shop", "db", at(1, "9"))), "", 1, 0},
		"no labels":           {matrix(`{"metric":{},"values":[` + at(1, "9") + `]}`), "", 1, 0},
		"several containers":  {matrix(labelled("shop", "web", at(1, "5")+","+at(2, "8")), labelled("shop", "web", at(1, "7"))), "7 8", 0, 0},
		"not a number":        {matrix(labelled("shop", "web", at(1, "NaN")+","+at(2, "6"))), "6", 0, 1},
		"infinite":            {matrix(labelled("shop", "web", at(1, "+Inf")+","+at(2, "-Inf")+","+at(3, "Inf")+","+at(4, "1e400"))), "", 0, 4},
		"negative":            {matrix(labelled("shop", "web", at(1, "-1"))), "", 0, 1},
		"more than memory is": {matrix(labelled("shop", "web", at(1, "1e300"))), "", 0, 1},
		"outside the window":  {matrix(labelled("shop", "web", at(-1, "5")+","+at(1000, "6"))), "", 0, 2},
		"out of order":        {matrix(labelled("shop", "web", at(2, "6")+","+at(1, "5")+","+at(2, "4"))), "5 6", 0, 0},
		"no series":           {matrix(), "", 0, 0},
		"more than is known":  {strings.Replace(matrix(labelled("shop", "web", at(1, "5"))), `"status"`, `"infos":["x"],"status"`, 1), "5", 0, 0},
	} {
		got, err := Decode([]byte(c.body), "shop", []string{"web"}, fortnight())
		if err != nil || values(got.Series["web"]) != c.want || got.Foreign != c.foreign || got.Dropped != c.dropped {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"empty":            "",
		"no JSON":          "<html>502 Bad Gateway</html>",
		"cut off":          matrix(labelled("shop", "web", at(1, "5")))[:60],
		"an empty object":  "{}",
		"null":             "null",
		"another kind":     `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		"a number":         matrix(`{"metric":{"stack":"shop","service":"web"},"values":[[1,5]]}`),
		"no number":        matrix(labelled("shop", "web", at(1, "many"))),
		"three parts":      matrix(`{"metric":{},"values":[[1,"5",6]]}`),
		"a string of time": matrix(`{"metric":{},"values":[["1","5"]]}`),
		"a list of labels": matrix(`{"metric":[],"values":[]}`),
		"two answers":      matrix() + matrix(),
	} {
		if got, err := Decode([]byte(body), "shop", []string{"web"}, fortnight()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
	_, err := Decode([]byte(`{"status":"error","errorType":"bad_data","error":"parse error\u001b[31m"}`), "shop", []string{"web"}, fortnight())
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || !strings.Contains(refused.Reason, "bad_data: parse error") || strings.ContainsRune(refused.Reason, 27) {
		t.Errorf("%v", err)
	}
	warned, err := Decode([]byte(`{"status":"success","warnings":["a","b","c","d"],"data":{"resultType":"matrix","result":[]}}`), "shop", nil, fortnight())
	if err != nil || len(warned.Warnings) != maxWarnings {
		t.Errorf("%v, %+v", err, warned)
	}
}

// Whatever an answer is, no value leaves the decoder that cannot be a measurement within the window.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{matrix(labelled("shop", "web", at(1, "5")+","+at(2, "NaN"))), matrix(labelled("other", "web", at(1, "5"))), "{}", "", `{"status":"error"}`,
		matrix(labelled("shop", "web", `[1e999,"5"]`)), matrix(labelled("shop", "web", `[1.5e300,"5"],[-1e15,"0x1p-2"]`))} {
		f.Add(seed)
	}
	w := fortnight()
	f.Fuzz(func(t *testing.T, body string) {
		got, err := Decode([]byte(body), "shop", []string{"web"}, w)
		if err != nil {
			return
		}
		for service, s := range got.Series {
			if service != "web" {
				t.Fatalf("a series of %q", service)
			}
			for i, p := range s {
				if math.IsNaN(p.Value) || p.Value < 0 || p.Value > maxMeasure || p.At.Before(w.From) || p.At.After(w.To) || i > 0 && !s[i-1].At.Before(p.At) {
					t.Fatalf("%+v after %+v", p, s[:i])
				}
			}
		}
		// What is proposed from it is a proposal, too: nothing of it is negative or infinite.
		for _, c := range Propose(web(), nil, Usage{Memory: got.Series["web"], CPU: got.Series["web"], PIDs: got.Series["web"]}, w, Options{Force: true}).Settings {
			if strings.ContainsAny(c.Proposed, "-NI") {
				t.Fatalf("%+v", c)
			}
		}
	})
}
