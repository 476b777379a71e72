package images

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Known is what is known of a well-known image in the variant and version that a reference names: what an import may rely on.
type Known struct {
	Preset    string // that knows it; empty when none does
	Tag       string
	Major     int      // of its version; 0 when the tag has none
	User      string   // uid:gid as which the whole service can run; empty when it must start as root, or when it is not known
	Others    []string // users of its other variants
	Account   string   // name of that user in the image
	Program   []string // what its command begins with, where it runs the image's own program
	Data      string   // path of its data; empty when it keeps none
	Elsewhere []string // paths of the data in other versions
	Runtime   bool     // it brings a language, not the program
	Loose     string   // why its preset does not fit a service that was not written for it, as part of a sentence
	Serves    bool     // it serves files, and reads keys before it changes its user
	Content   []string // where it reads what it serves
	Settings  []string // where it reads settings that a user without rights can read, too
}

var leading = regexp.MustCompile(`^v?(\d+)`)

// Lookup returns what is known of an image by its reference. Variants are told by parts of the tag, such as alpine.
func Lookup(reference string) Known {
	name, _ := lookUp(reference, "")
	k := wellKnown().TakenIn[name]
	_, tag := splitReference(reference)
	if name == "" {
		return Known{Tag: tag}
	}
	out := Known{Preset: name, Tag: tag, User: k.User, Account: k.Account, Program: k.Program, Data: k.Data, Elsewhere: k.Elsewhere,
		Runtime: k.Runtime, Loose: k.Loose, Serves: k.Serves, Content: k.Content, Settings: k.Settings}
	if m := leading.FindStringSubmatch(tag); m != nil {
		out.Major, _ = strconv.Atoi(m[1]) // digits; one that is too large is no version
	}
	for part, user := range k.Variants {
		out.Others = append(out.Others, user)
		if strings.Contains(tag, part) {
			out.User = user
		}
	}
	out.Others = append(out.Others, k.User)
	for from, path := range k.DataFrom {
		// A tag without a version is the newest.
		if n, err := strconv.Atoi(from); err == nil && (out.Major == 0 || out.Major >= n) {
			out.Elsewhere = append(slices.Clone(out.Elsewhere), out.Data)
			out.Data = path
		} else if err == nil {
			out.Elsewhere = append(slices.Clone(out.Elsewhere), path)
		}
	}
	return out
}
