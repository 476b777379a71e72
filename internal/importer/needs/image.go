package needs

import (
	"fmt"
	"slices"

	"github.com/hsectl/hsectl/internal/image/facts"
	"github.com/hsectl/hsectl/internal/policy/images"
)

// fromImage adds what the image itself shows. It wins over what is known of its name.
func (n *Needs) fromImage(s Service, known images.Known, f *facts.Facts) {
	if f == nil {
		return
	}
	if account, ok := f.Account(known.Account); ok && n.User != "" {
		n.User = account.String()
	}
	if n.User == "" {
		n.ownUser(s, f)
	}
	if len(n.Test) > 1 && n.Test[0] == "CMD" && f.Lacks(n.Test[1]) {
		n.Test = nil
	}
}

// ownUser takes the user that the image says, which is the one that the service has had. It keeps nothing else where the program
// that starts is known to do without.
func (n *Needs) ownUser(s Service, f *facts.Facts) {
	own := len(s.Entrypoint) > 0 // its program is not the one that was looked at
	switch {
	case !f.User.Known:
		n.Why = fmt.Sprintf("the image's user %q has no number in it", f.Config.User)
	case f.User.UID == 0 && f.WantsRoot != "" && !own:
		n.Why = "its entry point " + f.WantsRoot
	case f.User.UID == 0:
		n.Why = "the image runs as root"
	case f.Groups:
		n.Why = fmt.Sprintf("the image's user %q is in further groups there", f.Config.User)
	default:
		n.User = f.User.String()
		n.Capabilities = !own && f.Starts != facts.StartsUnknown && len(f.Capabilities) == 0 && f.WantsRoot == ""
		n.Privileges = n.Privileges || n.Capabilities && !f.Setuid && !slices.Contains(f.Calls, "sudo")
	}
}
