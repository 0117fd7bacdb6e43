package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"boxer.dev/builder"
)

const python = "3.13.5"

// verdicts are a conversion's judgements as the files of testdata have them.
func verdicts(c *Conversion) string {
	var b strings.Builder
	for _, j := range c.Judgements {
		fmt.Fprintf(&b, "%d %s %s\n", j.Line, j.Verdict, strings.ReplaceAll(j.Instruction, "\n", " "))
		for _, note := range j.Notes {
			fmt.Fprintf(&b, "    %s\n", note)
		}
	}
	return b.String()
}

// TestDockerfiles converts Dockerfiles as people write them. UPDATE=1 writes what comes of them.
func TestDockerfiles(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 12 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, file := range archive.Files {
				files[file.Name] = string(file.Data)
			}
			made, err := Dockerfile("Dockerfile", strings.NewReader(files["Dockerfile"]), Options{Python: python})
			if err != nil {
				t.Fatal(err)
			}
			if os.Getenv("UPDATE") != "" {
				archive.Files = []txtar.File{
					{Name: "Dockerfile", Data: []byte(files["Dockerfile"])},
					{Name: "verdicts", Data: []byte(verdicts(made))}, {Name: "Boxfile", Data: []byte(made.Boxfile)},
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(files["verdicts"], verdicts(made)); diff != "" {
				t.Errorf("verdicts:\n%s", diff)
			}
			if diff := cmp.Diff(files["Boxfile"], made.Boxfile); diff != "" {
				t.Errorf("Boxfile:\n%s", diff)
			}
			again, err := Dockerfile("Boxfile", strings.NewReader(made.Boxfile), Options{Python: python})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(made.Boxfile, again.Boxfile); diff != "" {
				t.Errorf("a converted file converts to something else:\n%s", diff)
			}
		})
	}
}

func TestNotADockerfile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "\x00", "\x7fELF\x00", "RUN useradd a", "COPY --from=0 0 00\nARG a"} {
		if made, err := Dockerfile("Dockerfile", strings.NewReader(text), Options{Python: python}); err == nil {
			t.Errorf("%q: %+v", text, made)
		}
	}
}

// FuzzDockerfile: whatever is converted is a Boxfile.
func FuzzDockerfile(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(archive.Files[0].Data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		made, err := Dockerfile("Dockerfile", strings.NewReader(text), Options{Python: python})
		if err != nil {
			return
		}
		if _, err := builder.Parse("Boxfile", strings.NewReader(made.Boxfile)); err != nil {
			t.Errorf("%v\n%s", err, made.Boxfile)
		}
	})
}

func ExampleDockerfile() {
	dockerfile := "FROM python:3.11\nRUN apt-get update && apt-get install -y jq && mkdir /data\n"
	made, err := Dockerfile("Dockerfile", strings.NewReader(dockerfile), Options{Python: python})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, j := range made.Judgements {
		fmt.Println(j.Line, j.Verdict)
	}
	fmt.Print(made.Boxfile)
	// Output:
	// 1 differs
	// 2 no
	// FROM python:3.13
	// RUN mkdir /data
}
