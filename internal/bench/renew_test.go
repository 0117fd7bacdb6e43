package bench

import (
	"strings"
	"testing"
)

func TestRenew(t *testing.T) {
	page := "# Page\n<!-- bench start -->\nold\n<!-- bench end -->\nprose\n<!-- bench serve -->\nkept\n<!-- bench end -->\nend\n"
	renewed, err := madeUpReport().Renew(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Page\n<!-- bench start -->\n", "hello, instance at hand", "\nprose\n", "kept", "\nend\n"} {
		if !strings.Contains(renewed, want) {
			t.Errorf("the page lacks %q:\n%s", want, renewed)
		}
	}
	if strings.Contains(renewed, "old") {
		t.Errorf("what was measured before is there still:\n%s", renewed)
	}
	again, err := madeUpReport().Renew(renewed)
	if err != nil || again != renewed {
		t.Errorf("renewing twice is not renewing once: %v\n%s", err, again)
	}
	for _, broken := range []string{"<!-- bench start -->\nno end", "<!-- bench start -->\n<!-- bench cpu -->\n<!-- bench end -->"} {
		if renewed, err := madeUpReport().Renew(broken); err == nil {
			t.Errorf("%q becomes %q", broken, renewed)
		}
	}
}

// TestSummary: all that runs containers has the container's image; who is not there has no row.
func TestSummary(t *testing.T) {
	var all []Comparison
	for _, key := range summaryOf {
		all = append(all, Comparison{Key: key, Unit: "MB", Entries: []Entry{
			{Who: "boxer", Figure: figure(Sample{1})}, {Who: "container", Figure: figure(Sample{42})},
		}})
	}
	r := &Report{
		Contenders: []Contender{{Key: "boxer", Name: "boxer"}, {Key: "runc", Name: "runc"}, {Key: "docker", Name: "docker", Missing: "none"}},
		Sections:   []*Section{{Name: "made up", Comparisons: all}},
	}
	text, err := r.summary()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "| runc | 42.0 MB |") || strings.Contains(text, "docker") {
		t.Errorf("the summary is\n%s", text)
	}
	r.Sections[0].Comparisons = all[1:]
	if text, err := r.summary(); err != nil || text != "" {
		t.Errorf("a summary of a part is %q, %v", text, err)
	}
}
