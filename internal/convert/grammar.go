package convert

import (
	"regexp"
	"sync"
)

// grammar is a regular expression that is compiled when it is first needed: most commands never need it.
func grammar(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
