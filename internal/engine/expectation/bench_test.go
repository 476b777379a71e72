package expectation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/expectation"
)

// What a stack of 50 services is expected to be; verify reads it once.
func BenchmarkRead(b *testing.B) {
	e, _ := connect(b, enginetest.Answers{})
	var file strings.Builder
	file.WriteString("name: shop\nservices:\n")
	for i := range 50 {
		fmt.Fprintf(&file, "  app%d: {image: shop/app, networks: [back], volumes: [{type: volume, source: data%d, target: /data}]}\n", i, i)
	}
	file.WriteString("networks: {back: {}}\nvolumes:\n")
	for i := range 50 {
		fmt.Fprintf(&file, "  data%d: {}\n", i)
	}
	for b.Loop() {
		if _, err := expectation.Read(b.Context(), e, expectation.Source{File: []byte(file.String())}); err != nil {
			b.Fatal(err)
		}
	}
}
