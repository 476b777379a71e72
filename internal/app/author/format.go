package author

import (
	"bytes"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/profile/parser"
)

// Format sorts the keys of files and prints those that were not sorted; with check it writes nothing.
func Format(s app.Streams, files []string, check bool) error {
	var disorder bool
	for _, file := range files {
		data, err := app.ReadProfile(host.ReadFile, file)
		if err != nil {
			return err
		}
		formatted, err := parser.Format(file, data)
		if err != nil {
			return err
		}
		if bytes.Equal(data, formatted) {
			continue
		}
		disorder = true
		fmt.Fprintln(s.Out, file)
		if check {
			continue
		}
		if err := host.Rewrite(file, formatted); err != nil {
			return err
		}
	}
	if check && disorder {
		s.Say("not sorted; fix with: hsectl fmt")
		return app.ErrFindings
	}
	return nil
}
