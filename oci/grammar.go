package oci

import (
	"slices"
	"strings"
)

// Grammar of names: https://github.com/distribution/reference (domain, path-component, tag); the name package checks
// characters only. Regular expressions for it would be compiled whenever boxer starts.

// isRegistry accepts a domain name or an address in brackets, and perhaps a port.
func isRegistry(s string) bool {
	host, port := s, "0"
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if port == "" || strings.Trim(port, digits) != "" {
		return false
	}
	if address, ok := strings.CutPrefix(host, "["); ok {
		address, ok = strings.CutSuffix(address, "]")
		return ok && address != "" && strings.Trim(address, hexDigits+upperHex+":") == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, letters+upper+digits+"-") != "" {
			return false
		}
	}
	return true
}

// isRepository accepts components of lower-case words.
func isRepository(s string) bool {
	for component := range strings.SplitSeq(s, "/") {
		if !isComponent(component) {
			return false
		}
	}
	return true
}

// isComponent accepts words that are joined by separators: '.', '_', "__" or any number of '-'.
func isComponent(s string) bool {
	for {
		rest := strings.TrimLeft(s, letters+digits)
		if len(rest) == len(s) {
			return false
		}
		if rest == "" {
			return true
		}
		s = strings.TrimLeft(rest, "._-")
		separator := rest[:len(rest)-len(s)]
		if !slices.Contains([]string{".", "_", "__"}, separator) && strings.Trim(separator, "-") != "" || separator == "" {
			return false
		}
	}
}

func isTag(s string) bool {
	return 1 <= len(s) && len(s) <= 128 && s[0] != '.' && s[0] != '-' && strings.Trim(s, letters+upper+digits+"_.-") == ""
}

func isHex(s string) bool { return s != "" && strings.Trim(s, hexDigits) == "" }

const (
	letters   = "abcdefghijklmnopqrstuvwxyz"
	upper     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits    = "0123456789"
	hexDigits = digits + "abcdef"
	upperHex  = "ABCDEF"
)
