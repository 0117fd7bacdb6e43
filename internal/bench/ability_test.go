package bench

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/internal/bench/rival"
)

func TestCan(t *testing.T) {
	questions := []ability{
		{key: "prints", program: "yes"}, {key: "fails", program: "fail"}, {key: "silent", program: ""},
		{key: "apart", before: "mark", program: "look"},
	}
	marked := false
	got := can(questions, func(program string) (string, error) {
		switch program {
		case "fail":
			return "half an answer", errors.New("it ends")
		case "mark":
			marked = true
		case "look":
			if marked {
				return "no\n", nil
			}
		}
		return program + "\n", nil
	})
	want := map[string]string{"prints": "yes", "fails": "fails", "silent": "fails", "apart": "no"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAbilitiesOfPython3: the host's Python can all that is asked for, and hides nothing.
func TestAbilitiesOfPython3(t *testing.T) {
	var python3 *rival.Rival
	for _, r := range rival.All(t.Context(), rival.Places{Dir: t.TempDir()}) {
		if r.Key == "python3" {
			python3 = r
		}
	}
	if python3.Missing != "" {
		t.Fatalf("%s: install python3", python3.Missing)
	}
	all, err := Contenders(t.Context(), "/nonexistent", "1.0", []*rival.Rival{python3})
	if err != nil {
		t.Fatal(err)
	}
	if c := all[1]; c.Can["classes"] != "yes" || c.Can["isolated_runs"] != "yes" || c.Can["host_files_hidden"] != "no" {
		t.Errorf("it can %v", c.Can)
	}
	if c := all[0]; c.Key != "boxer" || c.Can["classes"] != "fails" {
		t.Errorf("a boxer that is not there can %v", c.Can)
	}
}
