package runtime_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedExamples: the Go that README.md and docs/embedding.md show is in the examples, line by line, and so compiles and does
// what they say.
func TestDocumentedExamples(t *testing.T) {
	source := read(t, "example_python_test.go")
	for name, blocks := range map[string]int{"../README.md": 1, "../docs/embedding.md": 2} {
		found := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(read(t, name), -1)
		if len(found) != blocks {
			t.Errorf("%s has %d blocks of Go, not %d", name, len(found), blocks)
		}
		for _, block := range found {
			if lines := strings.Count(block[1], "\n"); lines >= 20 {
				t.Errorf("%s: %d lines are too many to begin with", name, lines)
			}
			inFunction := regexp.MustCompile("(?m)^(.)").ReplaceAllString(block[1], "\t$1")
			if !strings.Contains(source, inFunction) {
				t.Errorf("%s shows what is in no example:\n%s", name, block[1])
			}
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
