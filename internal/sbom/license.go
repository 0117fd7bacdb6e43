package sbom

import (
	"regexp"
	"strings"
	"sync"
)

// expression is how an SPDX licence expression looks (SPDX 2.3, annex D); whether its identifiers are known is not looked at.
var expression = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\(*[A-Za-z0-9.-]+\+?\)*( (AND|OR|WITH) \(*[A-Za-z0-9.-]+\+?\)*)*$`)
})

// identifiers are the SPDX identifiers of what packages say of their licence in words of their own: in the field License, or as
// the last part of a classifier. What does not tell a version is not in it.
var identifiers = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"apache 2.0": "Apache-2.0", "apache-2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
		"apache license, version 2.0": "Apache-2.0", "apache software license": "Apache-2.0",
		"bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause", "bsd 3-clause license": "BSD-3-Clause",
		"gnu general public license v2 (gplv2)":                   "GPL-2.0-only",
		"gnu general public license v2 or later (gplv2+)":         "GPL-2.0-or-later",
		"gnu general public license v3 (gplv3)":                   "GPL-3.0-only",
		"gnu general public license v3 or later (gplv3+)":         "GPL-3.0-or-later",
		"gnu lesser general public license v3 (lgplv3)":           "LGPL-3.0-only",
		"gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
		"gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
		"isc": "ISC", "isc license (iscl)": "ISC",
		"mit": "MIT", "mit license": "MIT", "the mit license": "MIT", "the mit license (mit)": "MIT",
		"mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "mpl-2.0": "MPL-2.0", "mpl 2.0": "MPL-2.0",
		"psf": "PSF-2.0", "psf-2.0": "PSF-2.0", "python software foundation license": "PSF-2.0",
		"the unlicense (unlicense)": "Unlicense", "unlicense": "Unlicense", "zlib": "Zlib", "0bsd": "0BSD",
	}
})

// license tells an SPDX expression from what a package says, or else repeats that. stated is the field License-Expression
// (PEP 639), which has one; words the field License; classifiers may be several.
func license(stated, words string, classifiers []string) (spdx, text string) {
	if expression().MatchString(stated) {
		return stated, ""
	}
	if id, ok := identifiers()[strings.ToLower(words)]; ok {
		return id, ""
	}
	var ids, names []string
	for _, classifier := range classifiers {
		rest, ok := strings.CutPrefix(classifier, "License :: ")
		if !ok {
			continue
		}
		name := rest[strings.LastIndex(rest, ":: ")+1:]
		name = oneLine(strings.TrimPrefix(name, ": "))
		names = append(names, name)
		if id, ok := identifiers()[strings.ToLower(name)]; ok {
			ids = append(ids, id)
		}
	}
	if len(ids) == 1 && len(names) == 1 { // several may be a choice or an addition
		return ids[0], ""
	}
	if words != "" {
		return "", words
	}
	return "", strings.Join(names, "; ")
}
