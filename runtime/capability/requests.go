package capability

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Requests are what a box says of itself.
type Requests struct {
	Limits Limits `json:"limits"`
	Needs  []Need `json:"needs"` // sorted, each thing once
}

// The labels of an image's configuration that hold requests, in the words of LIMIT and ALLOW with blanks between them. Their
// names follow the rules for labels that docker gives (reverse domain notation).
const (
	LimitLabel = "dev.boxer.limit"
	AllowLabel = "dev.boxer.allow"
)

// maxLabel bounds a label that is read, in bytes.
const maxLabel = 16 << 10

// Add adds a need. Of two for the same thing the one counts that asks for more.
func (r *Requests) Add(n Need) {
	i, found := slices.BinarySearchFunc(r.Needs, n, func(a, b Need) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Value, b.Value))
	})
	if !found {
		r.Needs = slices.Insert(slices.Clip(r.Needs), i, n)
		return
	}
	old := &r.Needs[i]
	old.ReadOnly = old.ReadOnly && n.ReadOnly
	old.Optional = old.Optional && n.Optional
}

// FromLabels reads the requests in an image's labels, which may hold anything. What is not understood is an error: a limit that
// is passed over would not be held.
func FromLabels(labels map[string]string) (Requests, error) {
	r := Requests{Needs: []Need{}}
	err := eachWord(labels, LimitLabel, r.Limits.ParseLimit)
	if err == nil {
		err = eachWord(labels, AllowLabel, func(word string) error {
			n, err := ParseNeed(word)
			if err == nil {
				r.Add(n)
			}
			return err
		})
	}
	if err != nil {
		return Requests{}, err
	}
	return r, nil
}

func eachWord(labels map[string]string, label string, do func(word string) error) error {
	text := labels[label]
	err := error(nil)
	if len(text) > maxLabel {
		err = errors.New("it is too long")
	}
	for word := range strings.SplitSeq(text, " ") {
		if err == nil && word != "" {
			err = do(word)
		}
	}
	if err != nil {
		return fmt.Errorf("the box's label %s: %w", label, err)
	}
	return nil
}

// SetLabels writes the requests into an image's labels, in one form for equal requests.
func (r Requests) SetLabels(labels map[string]string) {
	var needs []string
	for _, n := range r.Needs {
		needs = append(needs, n.String())
	}
	for label, text := range map[string]string{LimitLabel: r.Limits.String(), AllowLabel: strings.Join(needs, " ")} {
		delete(labels, label)
		if text != "" {
			labels[label] = text
		}
	}
}

// Check returns a *MissingError for the first need that is not granted.
func (r Requests) Check(g Grants) error {
	for _, n := range r.Needs {
		if err := n.met(g); err != nil {
			return err
		}
	}
	return nil
}

// String gives the requests as lines of a Boxfile.
func (r Requests) String() string {
	labels := map[string]string{}
	r.SetLabels(labels)
	var lines []string
	if text := labels[LimitLabel]; text != "" {
		lines = append(lines, "LIMIT "+text)
	}
	if text := labels[AllowLabel]; text != "" {
		lines = append(lines, "ALLOW "+text)
	}
	return strings.Join(lines, "\n")
}

// Contradiction returns a *MissingError for a need that the limits leave no way to grant.
func (r Requests) Contradiction() error {
	limits := r.Limits.Complete()
	all := Grants{Stdin: true, FixedClock: limits.FixedClock, SeededRandom: limits.SeededRandom}
	for _, n := range r.Needs {
		switch n.Kind {
		case Mount:
			all.Mounts = append(all.Mounts, Mounted{Path: n.Value, ReadOnly: r.Limits.ReadOnly})
		case Env:
			all.Env = append(all.Env, n.Value)
		case Net:
			continue
		}
		if err := n.met(all); err != nil {
			return err
		}
	}
	return nil
}
