package builder

import (
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/patternmatcher"
)

var nameParts = []string{"a", "b", "ab", "a.py", ".h"}
var patternParts = []string{"a", "b", "*", "**", "a*", "?", "*.py", "[ab]", "[^a]*", "**"}

// everyName returns all paths of up to three components; the first two are directories.
func everyName() []string {
	var names []string
	for _, x := range nameParts {
		names = append(names, x)
		for _, y := range nameParts {
			names = append(names, x+"/"+y)
			for _, z := range nameParts {
				names = append(names, x+"/"+y+"/"+z)
			}
		}
	}
	return names
}

func randomPattern(rng *rand.Rand) string {
	parts := make([]string, 1+rng.IntN(3))
	for i := range parts {
		parts[i] = patternParts[rng.IntN(len(patternParts))]
	}
	return strings.Join(parts, "/")
}

func fullTree(t *testing.T) (*contextTree, string) {
	var files []string
	for _, name := range everyName() {
		if strings.Count(name, "/") == 2 {
			files = append(files, name)
		}
	}
	return openTree(t, files...)
}

// What rules say of a path follows from what they say of the directories above it, so that those that are not searched have to
// hold nothing. Rules that cannot bring anything back agree with patternmatcher on each path alone. (Others may not: BuildKit
// goes down directories as well, and there a "!" that fits a directory counts only if the directory was left out.)
func TestIgnoreRulesAgainstOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tree, dir := fullTree(t)
	for range 300 {
		var rules []string
		for range 1 + rng.IntN(4) {
			rules = append(rules, []string{"", "", "!"}[rng.IntN(3)]+randomPattern(rng))
		}
		writeFile(t, filepath.Join(dir, ".boxignore"), []byte(strings.Join(rules, "\n")))
		tree, err := openContext(tree.root, DefaultEpoch)
		if err != nil {
			t.Fatal(err)
		}
		oracle, err := patternmatcher.New(rules)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range everyName() {
			self, _ := tree.visible(name)
			if ignored, err := oracle.MatchesOrParentMatches(name); err != nil || self == ignored && !oracle.Exclusions() {
				t.Errorf("rules %q: %s is visible: %t, ignored: %t (%v)", rules, name, self, ignored, err)
			}
			for above := path.Dir(name); above != "." && self; above = path.Dir(above) {
				if _, below := tree.visible(above); !below {
					t.Errorf("rules %q: %s is not searched, but %s is in", rules, above, name)
				}
			}
		}
	}
}

// glob finds what doublestar says fits, but for what lies in a directory that fits.
func TestGlobAgainstOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	tree, _ := fullTree(t)
	for range 300 {
		pattern := randomPattern(rng)
		if !hasWildcards(pattern) {
			continue
		}
		oracle := pattern
		if oracle == "**" || strings.HasSuffix(oracle, "/**") {
			oracle = strings.TrimSuffix(oracle, "*")
		}
		var want []string
		for _, name := range everyName() {
			within := slices.ContainsFunc(want, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
			if fits, err := doublestar.Match(oracle, name); err != nil {
				t.Fatal(err)
			} else if fits && !within {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		got, err := glob(tree, pattern)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

func TestGlobIsFast(t *testing.T) {
	tree, _ := fullTree(t)
	pattern := strings.Repeat("**/", 200) + "x"
	if found, err := glob(tree, pattern); err != nil || len(found) > 0 {
		t.Errorf("found %v, %v", found, err)
	}
}
