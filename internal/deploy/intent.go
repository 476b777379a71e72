package deploy

import (
	"encoding/json"
	"fmt"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// longestText is how much of a value of the intent is shown, in bytes.
const longestText = 80

// intentChanges says what the profile grants otherwise than the last release records, whether or not it is rendered.
func intentChanges(d Desired) ([]string, error) {
	if d.Last == nil {
		return nil, nil
	}
	return Outdated(d.Last.Release, d.Stack)
}

// Outdated says what a stack grants otherwise than a release recorded.
func Outdated(r record.Release, in stack.Stack) ([]string, error) {
	before, err := flattened(r.Intent)
	if err != nil {
		return nil, err
	}
	after, err := flattened(record.NewIntent(in))
	if err != nil {
		return nil, err
	}
	return generate.Differences(before, after, nil), nil
}

// flattened returns every setting of an intent by its path, with services and the like by their names.
func flattened(i record.Intent) (generate.Settings, error) {
	data, err := json.Marshal(i)
	var tree any
	if err == nil {
		err = json.Unmarshal(data, &tree)
	}
	if err != nil {
		return nil, fmt.Errorf("comparing intents: %w", err)
	}
	out := generate.Settings{}
	flatten(tree, "", out)
	return out, nil
}

func flatten(v any, path string, out generate.Settings) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			at := key
			if path != "" {
				at = path + "." + key
			}
			flatten(value, at, out)
		}
	case []any:
		for i, value := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			if named, ok := value.(map[string]any); ok {
				if name, ok := named["name"].(string); ok {
					at = path + "." + name
				}
			}
			flatten(value, at, out)
		}
	default:
		text := fmt.Sprint(v)
		if len(text) > longestText {
			text = "sha256:" + display.ID(record.Digest([]byte(text)))
		}
		out[path] = text
	}
}
