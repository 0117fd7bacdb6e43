package sbom

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// CycloneDX gives the inventory as a CycloneDX 1.6 document in JSON. tool is who made it, as NAME-VERSION.
func (i *Inventory) CycloneDX(tool string) ([]byte, error) {
	name, version, _ := strings.Cut(tool, "-")
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: i.Created.Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: name, Version: version}}},
		Component: &cdx.Component{BOMRef: "box", Type: cdx.ComponentTypeContainer, Name: "box", Version: i.Digest.String(), Hashes: sha256Hash(i.Digest.Hex)},
	}
	components := append(i.sourceComponents(), i.distributionComponents()...)
	components = append(components, i.programComponents()...)
	var contained []string
	for _, c := range components {
		if c.Scope != cdx.ScopeExcluded {
			contained = append(contained, c.BOMRef)
		}
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: "box", Dependencies: &contained}}
	content, err := encodeCycloneDX(bom)
	if err != nil {
		return nil, err
	}
	bom.SerialNumber = "urn:uuid:" + uuid(content)
	return encodeCycloneDX(bom)
}

func encodeCycloneDX(bom *cdx.BOM) ([]byte, error) {
	var content bytes.Buffer
	err := cdx.NewBOMEncoder(&content, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return content.Bytes(), err
}

func sha256Hash(value string) *[]cdx.Hash {
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: value}}
}

func (i *Inventory) sourceComponents() (components []cdx.Component) {
	for _, s := range i.Sources {
		c := cdx.Component{BOMRef: "source:" + s.Name, Type: cdx.ComponentTypeLibrary, Name: s.Name, Version: s.Revision, PackageURL: s.purl(), CPE: s.cpe()}
		if s.Tool { // of use while building only
			c.Scope = cdx.ScopeExcluded
		}
		components = append(components, c)
	}
	return components
}

func (i *Inventory) distributionComponents() (components []cdx.Component) {
	for n, d := range i.Distributions {
		c := cdx.Component{
			BOMRef: fmt.Sprintf("python:%d:%s", n, normalName(d.Name)), Type: cdx.ComponentTypeLibrary,
			Name: d.Name, Version: d.Version, Description: d.Summary, PackageURL: d.purl(),
			Properties: &[]cdx.Property{{Name: "boxer:path", Value: d.Path}},
		}
		switch {
		case d.License != "":
			c.Licenses = &cdx.Licenses{{Expression: d.License}}
		case d.LicenseText != "":
			c.Licenses = &cdx.Licenses{{License: &cdx.License{Name: d.LicenseText}}}
		}
		if address := webAddress(d.HomePage); address != "" {
			c.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeWebsite, URL: address}}
		}
		components = append(components, c)
	}
	return components
}

func (i *Inventory) programComponents() (components []cdx.Component) {
	for n, p := range i.Programs {
		components = append(components, cdx.Component{
			BOMRef: fmt.Sprintf("program:%d", n), Type: cdx.ComponentTypeApplication, Name: p.Path, Hashes: sha256Hash(p.SHA256),
			MIMEType: "application/wasm", Properties: &[]cdx.Property{{Name: "boxer:size", Value: strconv.FormatInt(p.Size, 10)}},
		})
	}
	return components
}
