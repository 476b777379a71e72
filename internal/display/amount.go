package display

import (
	"fmt"
	"strconv"
	"strings"
)

// Decimal writes a number with the digits that it needs, three behind the point at most; nothing for none.
func Decimal(n float64) string {
	if n <= 0 {
		return ""
	}
	text := strconv.FormatFloat(float64(int64(n*1000+0.5))/1000, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// Bytes writes bytes in the largest unit that keeps them whole.
func Bytes(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + "G"
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "M"
	case n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "K"
	}
	return strconv.FormatInt(n, 10)
}

// mostNames is how many names are told where a sentence names them.
const mostNames = 5

// Some tells the first of many names, and how many more there are.
func Some(names []string) string {
	if len(names) > mostNames+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNames], ", "), len(names)-mostNames)
	}
	return strings.Join(names, ", ")
}
