package sbom

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// SPDX gives the inventory as an SPDX 2.3 document in JSON. tool is who made it, as NAME-VERSION.
func (i *Inventory) SPDX(tool string) ([]byte, error) {
	d := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: "box " + i.Digest.String(),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: tool}}, Created: i.Created.Format(time.RFC3339),
		},
	}
	box := newPackage("Box", "box", i.Digest.String(), "CONTAINER")
	box.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: i.Digest.Hex}}
	d.Packages = append(d.Packages, box)
	relate(d, "DOCUMENT", common.TypeRelationshipDescribe, "Box")
	i.sourcePackages(d)
	i.distributionPackages(d)
	i.programPackages(d)
	content, err := encodeSPDX(d)
	if err != nil {
		return nil, err
	}
	d.DocumentNamespace = "https://boxer.dev/spdx/" + uuid(content)
	return encodeSPDX(d)
}

func encodeSPDX(d *spdx.Document) ([]byte, error) {
	var content bytes.Buffer
	err := spdxjson.Write(d, &content, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
	return content.Bytes(), err
}

const noAssertion = "NOASSERTION"

func newPackage(id, name, version, purpose string) *spdx.Package {
	return &spdx.Package{
		PackageSPDXIdentifier: common.ElementID(id), PackageName: name, PackageVersion: version, PrimaryPackagePurpose: purpose,
		PackageDownloadLocation: noAssertion, PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion,
		PackageCopyrightText: noAssertion,
	}
}

func relate(d *spdx.Document, from, relationship, to string) {
	d.Relationships = append(d.Relationships, &spdx.Relationship{
		RefA: common.MakeDocElementID("", from), RefB: common.MakeDocElementID("", to), Relationship: relationship,
	})
}

func (i *Inventory) sourcePackages(d *spdx.Document) {
	for _, s := range i.Sources {
		id := "Source-" + element(s.Name)
		p := newPackage(id, s.Name, s.Revision, "SOURCE")
		p.PackageSourceInfo = "Debian source package " + s.Name + " " + s.Revision
		p.PackageExternalReferences = []*spdx.PackageExternalReference{
			{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: s.purl()},
		}
		if cpe := s.cpe(); cpe != "" {
			p.PackageExternalReferences = append(p.PackageExternalReferences,
				&spdx.PackageExternalReference{Category: common.CategorySecurity, RefType: common.TypeSecurityCPE23Type, Locator: cpe})
		}
		d.Packages = append(d.Packages, p)
		if s.Tool {
			relate(d, id, common.TypeRelationshipBuildToolOf, "Box")
		} else {
			relate(d, "Box", common.TypeRelationshipContains, id)
		}
	}
}

func (i *Inventory) distributionPackages(d *spdx.Document) {
	for n, dist := range i.Distributions {
		id := fmt.Sprintf("Python-%d-%s", n, element(normalName(dist.Name)))
		p := newPackage(id, dist.Name, dist.Version, "LIBRARY")
		p.PackageSummary, p.PackageHomePage = dist.Summary, webAddress(dist.HomePage)
		p.PackageLicenseDeclared = cmp.Or(dist.License, noAssertion)
		if dist.LicenseText != "" {
			p.PackageLicenseComments = "The package says: " + dist.LicenseText
		}
		p.PackageSourceInfo = "installed in the box: " + dist.Path
		p.PackageExternalReferences = []*spdx.PackageExternalReference{
			{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: dist.purl()},
		}
		d.Packages = append(d.Packages, p)
		relate(d, "Box", common.TypeRelationshipContains, id)
	}
}

func (i *Inventory) programPackages(d *spdx.Document) {
	for n, program := range i.Programs {
		id := fmt.Sprintf("Program-%d", n)
		p := newPackage(id, program.Path, "", "APPLICATION")
		p.PackageFileName = program.Path
		p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: program.SHA256}}
		p.PackageComment = fmt.Sprintf("WebAssembly module of %d bytes", program.Size)
		d.Packages = append(d.Packages, p)
		relate(d, "Box", common.TypeRelationshipContains, id)
	}
}

// element makes a name part of an identifier, which has letters, digits, dots and dashes.
func element(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, name)
}

// webAddress is an address that readers accept, or nothing.
func webAddress(address string) string {
	if strings.ContainsAny(address, " \"<>\\^`{|}") || !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return ""
	}
	return address
}
