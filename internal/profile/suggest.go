package profile

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// didYouMean returns a hint naming the candidate closest to got, or all of them when none is close and the list is short.
func didYouMean(got string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := levenshtein.Distance(strings.ToLower(got), strings.ToLower(c), nil); d < distance {
			best, distance = c, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	if len(candidates) == 0 || len(candidates) > 40 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(candidates))
	return "known here: " + strings.Join(sorted, ", ")
}
