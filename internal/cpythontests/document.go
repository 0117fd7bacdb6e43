package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// The table of modules stands between these lines of the document; the rest is written by hand.
const (
	tableStart = "<!-- modules -->"
	tableEnd   = "<!-- end of modules -->"
)

// reasonRow is a row of the hand-written table: | `test_os.WalkTests.test_x` | why it fails |
var reasonRow = regexp.MustCompile("(?m)^\\| `(test_[^`]+)` \\| (.+) \\|$")

// readDocument answers the reason for each test that is known to fail. A module's bare name stands for one that gives no
// result at all.
func readDocument(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, match := range reasonRow.FindAllStringSubmatch(string(text), -1) {
		known[match[1]] = match[2]
	}
	return known, nil
}

func updateDocument(name string, outcomes []outcome) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), tableStart)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no lines %q and %q", name, tableStart, tableEnd)
	}
	var table strings.Builder
	table.WriteString("\n| module | tests | skipped | failed |\n|---|---:|---:|---:|\n")
	var total outcome
	for _, o := range outcomes {
		if o.broken != "" {
			fmt.Fprintf(&table, "| %s | | | no result |\n", o.module)
			continue
		}
		fmt.Fprintf(&table, "| %s | %d | %d | %d |\n", o.module, o.ran, o.skipped, len(o.failed))
		total.ran += o.ran
		total.skipped += o.skipped
		total.failed = append(total.failed, o.failed...)
	}
	fmt.Fprintf(&table, "| **all** | %d | %d | %d |\n", total.ran, total.skipped, len(total.failed))
	return os.WriteFile(name, []byte(before+tableStart+table.String()+tableEnd+after), 0o666)
}
