//go:build engine

package docker

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/profiles"
)

// What the comparison with the rendered file costs of verify, of the stack that HSECTL_BENCH_PROFILE describes and that runs: the same
// looks with it and without it, in turns, so that whatever else the machine does is in both. scripts/bench prints the medians.
func BenchmarkShareOfComparison(b *testing.B) {
	file := os.Getenv("HSECTL_BENCH_PROFILE")
	if file == "" {
		b.Skip("HSECTL_BENCH_PROFILE names no profile")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	p, err := parser.Parse(data, parser.Options{File: file, Library: profiles.Library{}, CheckImage: image.Check})
	if err != nil {
		b.Fatal(err)
	}
	s := stack.New(p)
	e, err := Connect(b.Context(), engine.Endpoint{}, func() ([]byte, error) { return nil, nil })
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	e.LookLocally(probe.Local)
	history, err := e.History(b.Context(), s.Name)
	if err != nil {
		b.Fatal(err)
	}
	current, deployed := history.Current()
	if !deployed {
		b.Fatalf("%s is not deployed", s.Name)
	}
	rendered := &verify.Rendered{File: current.Release.Compose, Environment: current.Release.Environment, Images: map[string]string{}}
	for reference, image := range current.Release.Images {
		rendered.Images[reference] = image.ID
	}
	took := map[bool][]float64{}
	for b.Loop() {
		for _, whole := range []bool{true, false} {
			options := verify.Options{}
			if whole {
				options.Rendered = rendered
			}
			begun := time.Now()
			evidence, err := verify.Verify(b.Context(), s, e, options)
			if err != nil {
				b.Fatal(err)
			}
			if evidence.Containers != len(s.Services) {
				b.Fatalf("%d containers were seen", evidence.Containers)
			}
			took[whole] = append(took[whole], float64(time.Since(begun).Microseconds())/1000)
		}
	}
	median := func(of []float64) float64 {
		slices.Sort(of)
		return of[len(of)/2]
	}
	with, without := median(took[true]), median(took[false])
	b.ReportMetric(with, "ms-with")
	b.ReportMetric(without, "ms-without")
	b.ReportMetric(100*(with-without)/with, "%share")
	b.ReportMetric(0, "ns/op")
}
