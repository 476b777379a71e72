package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// prometheus serves the API of a Prometheus that has watched the stack "shop" for the whole of each window. The first part of a path
// says what is wrong with it.
func prometheus(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, api, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if api != "api/v1/query_range" {
			http.NotFound(w, r)
			return
		}
		switch kind {
		case "status":
			http.Error(w, "no", http.StatusBadGateway)
		case "redirect":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "refused":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"parse error"}`)
		case "malformed":
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":`)
		case "huge":
			space := strings.Repeat(" ", 1<<20)
			for range 17 {
				fmt.Fprint(w, space)
			}
		default:
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]}}`, usageSeries(kind, r))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// usageSeries are the answers to one query: web uses at most 200 MiB and 0.1 processors.
func usageSeries(kind string, r *http.Request) string {
	query := r.FormValue("query")
	value := map[string]string{"container_cpu_usage": "0.1", "periods_total": "1000", "container_threads": "20"}
	of := "209715200"
	for marker, v := range value {
		if strings.Contains(query, marker) {
			of = v
		}
	}
	start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
	end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
	step, _ := strconv.ParseFloat(r.FormValue("step"), 64)
	switch {
	case strings.Contains(query, "container_start_time_seconds") && strings.Contains(query, " and on (stack, container) "), strings.Contains(query, "container_oom_events"),
		strings.Contains(query, "throttled"), strings.Contains(query, "heap"):
		return ""
	case strings.Contains(query, "hse:memory_limit_bytes"):
		of = "1073741824"
	}
	if kind == "new" { // the service was deployed two hours ago
		start = end - 7200
	}
	var points []string
	for at, i := start, 0; at <= end; at, i = at+step, i+1 {
		v := of
		switch {
		case kind == "gaps" && i%4 == 3:
			continue
		case kind == "noise" && i%100 == 7:
			v = "NaN"
		case kind == "noise" && i%100 == 8:
			v = "+Inf"
		}
		points = append(points, fmt.Sprintf(`[%.0f,%q]`, at, v))
	}
	stack := "shop"
	if kind == "foreign" {
		stack = "other"
	}
	return fmt.Sprintf(`{"metric":{"stack":%q,"service":"web"},"values":[%s]}`, stack, strings.Join(points, ","))
}
