package buildkit

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/image"
)

// Instructions reads a Dockerfile with BuildKit's own parser, so that what is judged is what will be built.
func Instructions(name string, data []byte) ([]image.Instruction, error) {
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %s", name, display.Clean(err.Error()))
	}
	var out []image.Instruction
	stage := -1
	for _, node := range result.AST.Children {
		i := image.Instruction{Line: node.StartLine, Keyword: strings.ToUpper(node.Value), Flags: node.Flags}
		if i.Keyword == "FROM" {
			stage++
		}
		i.Stage = stage
		for n := node.Next; n != nil; n = n.Next {
			i.Args = append(i.Args, n.Value)
		}
		for _, h := range node.Heredocs {
			i.Args = append(i.Args, h.Content)
		}
		out = append(out, i)
	}
	return out, nil
}
