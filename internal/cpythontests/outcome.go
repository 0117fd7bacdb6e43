package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// outcome is what a module's tests came to.
type outcome struct {
	module       string
	ran, skipped int
	failed       []string // ids of tests, sorted, each once
	broken       string   // why there is no result
}

func (o outcome) String() string {
	if o.broken != "" {
		return "no result: " + o.broken
	}
	return fmt.Sprintf("%d tests, %d skipped, %d failed", o.ran, o.skipped, len(o.failed))
}

var (
	ranLine     = regexp.MustCompile(`(?m)^Ran (\d+) tests? in `)
	skippedPart = regexp.MustCompile(`(?m)^(?:OK|FAILED) \(.*skipped=(\d+)`)
	skippedAll  = regexp.MustCompile(`(?m)^test_\w+ (skipped -- .*)`)
	failedLine  = regexp.MustCompile(`(?m)^(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \(([^)]+)\)`)
)

// parseLog reads what regrtest -v prints. Subtests count as the test that they belong to.
func parseLog(module, log string) outcome {
	o := outcome{module: module}
	ran := ranLine.FindAllStringSubmatch(log, -1)
	if len(ran) == 0 {
		o.broken = lastLine(log)
		if match := skippedAll.FindStringSubmatch(log); match != nil {
			o.broken = match[1]
		}
		return o
	}
	for _, match := range ran {
		o.ran += number(match[1])
	}
	for _, match := range skippedPart.FindAllStringSubmatch(log, -1) {
		o.skipped += number(match[1])
	}
	failed := map[string]bool{}
	for _, match := range failedLine.FindAllStringSubmatch(log, -1) {
		failed[testID(match[1], match[2])] = true
	}
	o.failed = slices.Sorted(maps.Keys(failed))
	return o
}

// testID is the dotted name of a test; unittest gives it whole, or without the method for what fails around a class.
func testID(method, place string) string {
	id := strings.TrimPrefix(place, "test.")
	if !strings.HasSuffix(id, "."+method) {
		id += "." + method
	}
	return id
}

func moduleOf(test string) string {
	module, _, _ := strings.Cut(test, ".")
	return module
}

func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(err) // the expression matched digits only
	}
	return n
}

// check holds an outcome against the tests that are known to fail.
func (o outcome) check(known map[string]string) error {
	if o.broken != "" {
		if known[o.module] != "" {
			return nil
		}
		return fmt.Errorf("%s: no result: %s", o.module, o.broken)
	}
	var problems []error
	for _, test := range o.failed {
		if known[test] == "" {
			problems = append(problems, fmt.Errorf("%s: failed, and the document gives no reason", test))
		}
	}
	for test := range known {
		if moduleOf(test) == o.module && !slices.Contains(o.failed, test) {
			problems = append(problems, fmt.Errorf("%s: passed, and the document says that it fails", test))
		}
	}
	return errors.Join(problems...)
}
