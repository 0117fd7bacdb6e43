package compare

import (
	"strings"

	"boxer.dev/runtime/capability"
)

// Request is something that the boxes ask of the host that runs them, each in another way.
type Request struct {
	Instruction string `json:"instruction"`    // LIMIT or ALLOW
	From        string `json:"from,omitempty"` // word of the instruction in the first box; empty: it has none
	To          string `json:"to,omitempty"`
	More        bool   `json:"more"` // the second wants more than the first did
}

// requests compares what labels ask for. Labels that are not understood are left to settings.
func requests(from, to map[string]string) []Request {
	before, err := capability.FromLabels(from)
	after, err2 := capability.FromLabels(to)
	if err != nil || err2 != nil {
		return nil
	}
	return append(limits(before.Limits, after.Limits), needs(before.Needs, after.Needs)...)
}

// understood tells whether a label is one that requests has compared.
func understood(label string, from, to map[string]string) bool {
	if label != capability.LimitLabel && label != capability.AllowLabel {
		return false
	}
	_, err := capability.FromLabels(from)
	_, err2 := capability.FromLabels(to)
	return err == nil && err2 == nil
}

// limits compares bounds: a box wants more if one is gone, or wider.
func limits(from, to capability.Limits) []Request {
	before, after := words(from), words(to)
	var all []Request
	for _, name := range capability.LimitWords() {
		was, is := before[name], after[name]
		if was != is {
			all = append(all, Request{Instruction: "LIMIT", From: was, To: is, More: wider(was, is)})
		}
	}
	return all
}

// words are those of LIMIT, by what capability.LimitWords says they begin with.
func words(l capability.Limits) map[string]string {
	all := map[string]string{}
	for word := range strings.FieldsSeq(l.String()) {
		for _, name := range capability.LimitWords() {
			if strings.HasPrefix(word, name) {
				all[name] = word
			}
		}
	}
	return all
}

// wider tells whether the second of two words for one limit bounds less than the first.
func wider(was, is string) bool {
	var before, after capability.Limits
	if was == "" || before.ParseLimit(was) != nil {
		return false
	}
	if is == "" || after.ParseLimit(is) != nil {
		return true
	}
	return after.Narrow(before) != after
}

// needs compares what boxes cannot do without. Both lists are sorted and have each thing once.
func needs(from, to []capability.Need) []Request {
	var all []Request
	same := func(a, b capability.Need) bool { return a.Kind == b.Kind && a.Value == b.Value }
	find := func(list []capability.Need, n capability.Need) *capability.Need {
		for i := range list {
			if same(list[i], n) {
				return &list[i]
			}
		}
		return nil
	}
	for _, was := range from {
		if find(to, was) == nil {
			all = append(all, Request{Instruction: "ALLOW", From: was.String()})
		}
	}
	for _, is := range to {
		was := find(from, is)
		switch {
		case was == nil:
			all = append(all, Request{Instruction: "ALLOW", To: is.String(), More: true})
		case *was != is:
			more := was.ReadOnly && !is.ReadOnly || was.Optional && !is.Optional
			all = append(all, Request{Instruction: "ALLOW", From: was.String(), To: is.String(), More: more})
		}
	}
	return all
}
