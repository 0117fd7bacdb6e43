package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CycloneDX gives the inventory as a CycloneDX 1.6 document in JSON. tool is who made it, as NAME-VERSION.
func (i *Inventory) CycloneDX(tool string) ([]byte, error) {
	name, version, _ := strings.Cut(tool, "-")
	bom := cdxDocument{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	bom.Metadata.Timestamp = i.Created.Format(time.RFC3339)
	bom.Metadata.Tools.Components = []cdxComponent{{Type: cdxApplication, Name: name, Version: version}}
	bom.Metadata.Component = cdxComponent{Ref: "box", Type: "container", Name: "box", Version: i.Digest.String(), Hashes: sha256Hash(i.Digest.Hex)}
	bom.Components = slices.Concat([]cdxComponent{}, i.sourceComponents(), i.distributionComponents(), i.programComponents())
	box := cdxDependency{Ref: "box", DependsOn: []string{}}
	for _, c := range bom.Components {
		if c.Scope != cdxExcluded {
			box.DependsOn = append(box.DependsOn, c.Ref)
		}
	}
	bom.Dependencies = []cdxDependency{box}
	content, err := bom.encode()
	if err != nil {
		return nil, err
	}
	bom.SerialNumber = "urn:uuid:" + uuid(content)
	return bom.encode()
}

func (i *Inventory) sourceComponents() (components []cdxComponent) {
	for _, s := range i.Sources {
		c := cdxComponent{Ref: "source:" + s.Name, Type: cdxLibrary, Name: s.Name, Version: s.Revision, PackageURL: s.purl(), CPE: s.cpe()}
		if s.Tool { // of use while building only
			c.Scope = cdxExcluded
		}
		components = append(components, c)
	}
	return components
}

func (i *Inventory) distributionComponents() (components []cdxComponent) {
	for n, d := range i.Distributions {
		c := cdxComponent{
			Ref: fmt.Sprintf("python:%d:%s", n, normalName(d.Name)), Type: cdxLibrary,
			Name: d.Name, Version: d.Version, Description: d.Summary, PackageURL: d.purl(),
			Properties: []cdxProperty{{Name: "boxer:path", Value: d.Path}},
		}
		switch {
		case d.License != "":
			c.Licenses = []cdxLicense{{Expression: d.License}}
		case d.LicenseText != "":
			c.Licenses = []cdxLicense{{License: &cdxNamed{Name: d.LicenseText}}}
		}
		if address := webAddress(d.HomePage); address != "" {
			c.ExternalReferences = []cdxReference{{URL: address, Type: "website"}}
		}
		components = append(components, c)
	}
	return components
}

func (i *Inventory) programComponents() (components []cdxComponent) {
	for n, p := range i.Programs {
		components = append(components, cdxComponent{
			Ref: fmt.Sprintf("program:%d", n), Type: cdxApplication, Name: p.Path, Hashes: sha256Hash(p.SHA256),
			MIMEType: "application/wasm", Properties: []cdxProperty{{Name: "boxer:size", Value: strconv.FormatInt(p.Size, 10)}},
		})
	}
	return components
}

// Of https://cyclonedx.org/docs/1.6/json/ what boxer says. The model of the format's own library, which reads this in tests, brings XML
// and two regular expressions that every process would compile.
type (
	cdxDocument struct {
		Schema       string          `json:"$schema"`
		Format       string          `json:"bomFormat"`
		SpecVersion  string          `json:"specVersion"`
		SerialNumber string          `json:"serialNumber,omitempty"`
		Version      int             `json:"version"`
		Metadata     cdxMetadata     `json:"metadata"`
		Components   []cdxComponent  `json:"components"`
		Dependencies []cdxDependency `json:"dependencies"`
	}
	cdxMetadata struct {
		Timestamp string `json:"timestamp"`
		Tools     struct {
			Components []cdxComponent `json:"components"`
		} `json:"tools"`
		Component cdxComponent `json:"component"`
	}
	cdxComponent struct {
		Ref                string         `json:"bom-ref,omitempty"`
		MIMEType           string         `json:"mime-type,omitempty"`
		Type               string         `json:"type"`
		Name               string         `json:"name"`
		Version            string         `json:"version,omitempty"`
		Description        string         `json:"description,omitempty"`
		Scope              string         `json:"scope,omitempty"`
		Hashes             []cdxHash      `json:"hashes,omitempty"`
		Licenses           []cdxLicense   `json:"licenses,omitempty"`
		CPE                string         `json:"cpe,omitempty"`
		PackageURL         string         `json:"purl,omitempty"`
		ExternalReferences []cdxReference `json:"externalReferences,omitempty"`
		Properties         []cdxProperty  `json:"properties,omitempty"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Value     string `json:"content"`
	}
	cdxLicense struct { // one of the two
		License    *cdxNamed `json:"license,omitempty"`
		Expression string    `json:"expression,omitempty"`
	}
	cdxNamed struct {
		Name string `json:"name"`
	}
	cdxReference struct {
		URL  string `json:"url"`
		Type string `json:"type"`
	}
	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	cdxDependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

const (
	cdxApplication = "application"
	cdxLibrary     = "library"
	cdxExcluded    = "excluded"
)

func (d cdxDocument) encode() ([]byte, error) {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(d)
	return content.Bytes(), err
}

func sha256Hash(value string) []cdxHash { return []cdxHash{{Algorithm: "SHA-256", Value: value}} }
