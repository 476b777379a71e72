package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/dotnet/depsjson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/golang/gobinary"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"
	archivemeta "github.com/google/osv-scalibr/extractor/filesystem/language/java/archive/metadata"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/php/composerlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
	"github.com/google/osv-scalibr/extractor/filesystem/language/ruby/gemspec"
	"github.com/google/osv-scalibr/extractor/filesystem/language/rust/cargoauditable"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	apkmeta "github.com/google/osv-scalibr/extractor/filesystem/os/apk/metadata"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
	"github.com/google/osv-scalibr/extractor/filesystem/os/rpm"
	rpmmeta "github.com/google/osv-scalibr/extractor/filesystem/os/rpm/metadata"
)

// newExtractors returns those for what is installed in an image. Lock files are left out on purpose: they say what a
// developer asked for, and an image is judged by what it has.
func newExtractors() ([]filesystem.Extractor, error) {
	var out []filesystem.Extractor
	for _, make := range []func(*cpb.PluginConfig) (filesystem.Extractor, error){
		dpkg.New, apk.New, rpm.New, packagejson.New, gobinary.New, cargoauditable.New,
		wheelegg.New, archive.New, gemspec.New, composerlock.New, depsjson.New,
	} {
		e, err := make(&cpb.PluginConfig{})
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// readsPrograms tells the extractors that ask for every executable file.
func readsPrograms(e filesystem.Extractor) bool {
	return e.Name() == gobinary.Name || e.Name() == cargoauditable.Name
}

// extract runs one extractor. Its parsers see hostile bytes, so that neither a panic nor a hang may end the scan.
func (b *builder) extract(ctx context.Context, e filesystem.Extractor, in *filesystem.ScanInput) {
	ctx, cancel := context.WithTimeout(ctx, extractTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			b.problem(in.Path, fmt.Sprintf("%s failed: %v", e.Name(), p))
		}
	}()
	found, err := e.Extract(ctx, in)
	if err != nil {
		b.problem(in.Path, fmt.Sprintf("%s: %v", e.Name(), err))
	}
	for _, p := range found.Packages {
		if p != nil && p.Name != "" && p.Version != "" {
			b.out.Packages = append(b.out.Packages, newPackage(p, in.Path))
		}
	}
}

// newPackage keeps what is needed to match and to report. Ecosystem and address of a distribution's package depend on
// its release, which may be in another layer.
func newPackage(p *extractor.Package, location string) Package {
	out := Package{Type: p.PURLType, Name: p.Name, Version: p.Version, Location: location}
	switch m := p.Metadata.(type) {
	case *dpkgmeta.Metadata:
		out.Source, out.SourceVersion, out.Arch = m.SourceName, m.SourceVersion, m.Architecture
		return out
	case *apkmeta.Metadata:
		out.Source, out.Arch = m.OriginName, m.Architecture
		return out
	case *rpmmeta.Metadata:
		out.Source, out.Arch, out.Epoch = m.SourceRPM, m.Architecture, m.Epoch
		return out
	case *archivemeta.Metadata:
		if m.GroupID != "" && m.ArtifactID != "" {
			out.Name = m.GroupID + ":" + m.ArtifactID
		}
	}
	out.Ecosystem = p.Ecosystem().String()
	if u := p.PURL(); u != nil {
		out.PURL = u.String()
	}
	if out.Ecosystem == "Go" && out.Name == "go" {
		out.Name = "stdlib"
	}
	return out
}

// distribution fills in what the release says of a package of the operating system.
func (p *Package) distribution(release map[string]string) {
	var meta *extractor.Package
	switch p.Type {
	case "deb":
		meta = &extractor.Package{Metadata: &dpkgmeta.Metadata{PackageName: p.Name, PackageVersion: p.Version, SourceName: p.Source,
			SourceVersion: p.SourceVersion, Architecture: p.Arch, OSID: release["ID"], OSVersionID: release["VERSION_ID"], OSVersionCodename: release["VERSION_CODENAME"]}}
	case "apk":
		meta = &extractor.Package{Metadata: &apkmeta.Metadata{PackageName: p.Name, OriginName: p.Source, Architecture: p.Arch, OSID: release["ID"], OSVersionID: release["VERSION_ID"]}}
	case "rpm":
		meta = &extractor.Package{Metadata: &rpmmeta.Metadata{PackageName: p.Name, SourceRPM: p.Source, Architecture: p.Arch, Epoch: p.Epoch,
			OSID: release["ID"], OSVersionID: release["VERSION_ID"], OSCPEName: release["CPE_NAME"], OSName: release["NAME"]}}
	default:
		return
	}
	meta.PURLType, meta.Name, meta.Version = p.Type, p.Name, p.Version
	// Where the distribution is not known the extractors take another one, or the list of the kernel, which names no package.
	if p.Ecosystem = ""; kindOf(release["ID"]) == p.Type {
		p.Ecosystem = meta.Ecosystem().String()
	}
	if u := meta.PURL(); u != nil {
		p.PURL = u.String()
	}
}

// Advisory returns the name and version under which advisories for the package are published.
func (p Package) Advisory() (name, version string) {
	switch {
	case p.Type == "rpm" && p.Epoch > 0 && !strings.Contains(p.Version, ":"):
		return p.Name, fmt.Sprintf("%d:%s", p.Epoch, p.Version)
	case p.Type == "deb" || p.Type == "apk":
		name, version = p.Name, p.Version
		if p.Source != "" {
			name = p.Source
		}
		if p.SourceVersion != "" {
			version = p.SourceVersion
		}
		return name, version
	case p.Type == "pypi":
		parts := strings.FieldsFunc(strings.ToLower(p.Name), func(r rune) bool { return slices.Contains([]rune("-_."), r) })
		return strings.Join(parts, "-"), p.Version
	}
	return p.Name, p.Version
}

// quiet drops the messages of the extractors.
type quiet struct{}

func (quiet) Errorf(string, ...any) {}
func (quiet) Error(...any)          {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Warn(...any)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Info(...any)           {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Debug(...any)          {}
