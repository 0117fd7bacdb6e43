package sbom

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
)

// Distribution is an installed Python package.
type Distribution struct {
	Name, Version string
	Summary       string
	HomePage      string
	License       string // an SPDX expression, empty if there is none that can be told
	LicenseText   string // what the package says of its licence where that is no expression
	Path          string // of its metadata in the box, absolute
}

// isMetadata tells whether a file describes an installed package (PyPA, "Recording installed projects"; setuptools' older
// directories).
func isMetadata(name string) bool {
	dir, file := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	return file == "METADATA" && strings.HasSuffix(dir, ".dist-info") || file == "PKG-INFO" && strings.HasSuffix(dir, ".egg-info")
}

// maxMetadata bounds how much of a package's metadata is read, in bytes: the fields come first, the description last.
const maxMetadata = 256 << 10

func readDistribution(fsys fs.FS, name string) (Distribution, error) {
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return Distribution{}, nil
	}
	if err != nil {
		return Distribution{}, err
	}
	defer file.Close()
	fields, err := readFields(io.LimitReader(file, maxMetadata))
	if err != nil {
		return Distribution{}, err
	}
	first := func(field string) string {
		if values := fields[field]; len(values) > 0 && values[0] != "UNKNOWN" {
			return oneLine(values[0])
		}
		return ""
	}
	d := Distribution{Name: first("name"), Version: first("version"), Summary: first("summary"), HomePage: first("home-page"), Path: path.Join("/", name)}
	for _, project := range fields["project-url"] {
		label, address, _ := strings.Cut(project, ",")
		if strings.EqualFold(strings.TrimSpace(label), "homepage") && d.HomePage == "" {
			d.HomePage = oneLine(address)
		}
	}
	d.License, d.LicenseText = license(first("license-expression"), first("license"), fields["classifier"])
	return d, nil
}

// readFields reads the header of metadata (PyPA, "Core metadata specifications"): "Name: value" lines up to an empty one, where
// lines that begin with white space continue a value. Names are in lower case.
func readFields(r io.Reader) (map[string][]string, error) {
	fields := map[string][]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxMetadata+1)
	last := ""
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if values := fields[last]; len(values) > 0 {
				values[len(values)-1] += "\n" + strings.TrimSpace(line)
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		last = strings.ToLower(strings.TrimSpace(name))
		fields[last] = append(fields[last], strings.TrimSpace(value))
	}
	return fields, lines.Err()
}

// maxField bounds a value that goes into a document, in bytes.
const maxField = 1000

// oneLine is the first line of a value that says something, without control characters and what is no UTF-8.
func oneLine(value string) string {
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(line, "")))
		if line != "" {
			return strings.ToValidUTF8(line[:min(len(line), maxField)], "")
		}
	}
	return ""
}

var separators = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[-_.]+`) })

// normalName is the form in which an index knows a package (PyPA, "Name normalization").
func normalName(name string) string { return strings.ToLower(separators().ReplaceAllString(name, "-")) }

func compareDistributions(a, b Distribution) int {
	return cmp.Or(strings.Compare(normalName(a.Name), normalName(b.Name)), strings.Compare(a.Version, b.Version), strings.Compare(a.Path, b.Path))
}
