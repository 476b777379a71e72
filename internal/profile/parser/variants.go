package parser

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// variantKeys say for which images a variant of a preset is: tag is a part of the image's tag, from the first major version, and
// below the first one that is not meant any more. A tag without a version is the newest.
func variantKeys() []string { return []string{"tag", "from", "below"} }

// fitting returns a preset as it is for an image: another variant has another user, another version another path for its data.
func fitting(preset *yamldoc.Node, image string) *yamldoc.Node {
	variants := preset.Get("variants")
	if variants == nil {
		return preset
	}
	out := preset.Without("variants")
	tag := tagOf(image)
	for _, v := range variants.Items {
		if part := v.Get("tag"); part != nil && !strings.Contains(tag, part.Value) {
			continue
		}
		if n := major(tag); limit(v, "from") > n && n > 0 || limit(v, "below") > 0 && (n == 0 || n >= limit(v, "below")) {
			continue
		}
		out = layering().Merge(out, v.Without(variantKeys()...), "")
	}
	return out
}

func limit(n *yamldoc.Node, key string) int {
	v := n.Get(key)
	if v == nil {
		return 0
	}
	out, err := strconv.Atoi(v.Value)
	if err != nil {
		return 0
	}
	return out
}

// tagOf returns the tag of a reference; a digest is left out.
func tagOf(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		return reference[i+1:]
	}
	return ""
}

var leadingNumber = regexp.MustCompile(`^v?(\d{1,9})`)

// major returns the number with which a tag begins, or 0.
func major(tag string) int {
	m := leadingNumber.FindStringSubmatch(tag)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}
