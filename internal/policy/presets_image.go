package policy

import (
	"regexp"
	"slices"
	"strings"
)

var lateCadvisor = regexp.MustCompile(`^v0\.(5[4-9]|[6-9]\d)`)

// dead tells why an image should not be used any more, or not under this tag. Empty when it may.
func dead(repository, tag string) string {
	floating := tag == "" || tag == "latest"
	switch {
	case repository == "mongo" && (floating || tag == "8"):
		return "this tag is not built any more; use mongo:8.0"
	case repository == "minio/minio" || repository == "minio/mc":
		return "the images are gone from Docker Hub; quay.io has the last ones"
	case repository == "gcr.io/cadvisor/cadvisor" && lateCadvisor.MatchString(tag):
		return "versions from 0.54 on are at ghcr.io/google/cadvisor"
	case repository == "grafana/promtail":
		return "its life ended in March 2026; use alloy"
	case repository == "vault":
		return "it was removed from the official images; use hashicorp/vault"
	case repository == "mysql" && floating:
		return "latest is the innovation line; name the long-term one"
	case repository == "prom/prometheus" && !strings.Contains(tag, "-"):
		return "the base of the tag without a suffix is about to change, and its user with it; use -busybox or -distroless"
	}
	return ""
}

func livingImage(f Facts, _ Intent) Verdict {
	if !f.Image.Known() {
		return unknown(f.Image, "the image")
	}
	repository, tag := splitReference(f.Image.Value.Reference)
	if why := dead(repository, tag); why != "" {
		return fail(f.Image.Tier, "%s: %s", f.Image.Value.Reference, why)
	}
	pinned := strings.Contains(f.Image.Value.Reference, "@sha256:")
	if name, _ := lookUp(f.Image.Value.Reference, ""); name != "" && !pinned && (tag == "" || tag == "latest") {
		return fail(f.Image.Tier, "%s: the tag moves from version to version", f.Image.Value.Reference)
	}
	return pass(f.Image.Tier, "%s", f.Image.Value.Reference)
}

func closedStore(f Facts, in Intent) Verdict {
	if !f.Ports.Known() || !f.Networks.Known() {
		return unknown(f.Ports, "the ports and networks")
	}
	_, name, k := text(f, in)
	if !k.store {
		return notApplicable(f.Ports.Tier, "the service is not known to be a store of data")
	}
	var wrong []string
	for _, p := range f.Ports.Value {
		if public(p.Address) {
			wrong = append(wrong, p.String()+" opens "+name+" to every network of the host")
		}
	}
	for _, n := range f.Networks.Value {
		if !n.Internal {
			wrong = append(wrong, name+" is on network "+n.Name+", which leads out")
		}
	}
	if len(wrong) > 0 {
		return fail(f.Ports.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Ports.Tier, "%s is on internal networks only", name)
}

// dropped are the keys that docker stack deploy leaves out, with a notice or without one (docker/cli, cli/compose).
func dropped() []string {
	return []string{"security_opt", "tmpfs", "shm_size", "depends_on", "ipc", "mem_limit", "memswap_limit", "pids_limit", "cpus"}
}

func takenByTarget(f Facts, _ Intent) Verdict {
	if !f.Declaration.Known() {
		return unknown(f.Declaration, "the text of the service")
	}
	d := f.Declaration.Value
	if d.Target != "swarm" {
		return notApplicable(f.Declaration.Tier, "the target is Compose, which takes all of it")
	}
	var wrong []string
	for _, key := range d.Keys {
		if slices.Contains(dropped(), key) {
			wrong = append(wrong, key+" is dropped by Swarm")
		}
	}
	return all(f, wrong, "Swarm takes every key")
}

func ownedVolumes(f Facts, in Intent) Verdict {
	if !f.Mounts.Known() || !f.Declaration.Known() {
		return unknown(f.Mounts, "the mounts")
	}
	d, name, k := text(f, in)
	if d.Prepared {
		return pass(f.Declaration.Tier, "deploy hands every volume to its user")
	}
	var wrong []string
	for _, m := range f.Mounts.Value {
		if m.Kind == "volume" && in.UID != 0 && slices.Contains(k.missing, m.Path) {
			wrong = append(wrong, name+" does not have "+m.Path+", so the volume belongs to root")
		}
	}
	if name == "" && len(f.Mounts.Value) > 0 && len(wrong) == 0 {
		return notApplicable(f.Declaration.Tier, "the paths of the image are not known")
	}
	return all(f, wrong, "the image has the path of every volume")
}
