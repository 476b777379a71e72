package author

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/profile"
)

// explainValue prints every value at or below a path with the layer it comes from and, indented below it, what each
// weaker layer said.
func explainValue(s app.Streams, l app.Loaded, path string) error {
	values, ok := l.Profile.Explain(path)
	if !ok {
		return &app.UsageError{Err: fmt.Errorf("no layer of %s says anything at %q", l.Path, path),
			Hint: "write a path such as services.app.limits.memory; what nobody wrote is derived, and shown by hsectl generate"}
	}
	table := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, chain := range values {
		fmt.Fprintf(table, "%s: %s\n", chain[0].Path, chain[0].Value)
		for _, said := range chain {
			explainSaying(table, said)
		}
	}
	return table.Flush()
}

func explainSaying(w io.Writer, said profile.Saying) {
	value := said.Value
	if said.Text != "" {
		value = said.Text
	}
	if place := said.At.String(); place != said.Layer && said.At.Line > 0 {
		fmt.Fprintf(w, "\t%s\t%s\t%s\n", said.Layer, place, value)
		return
	}
	fmt.Fprintf(w, "\t%s\t\t%s\n", said.Layer, value)
}
