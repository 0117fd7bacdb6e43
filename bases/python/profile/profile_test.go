package main

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func text(write func(*bufio.Writer)) string {
	var buffer bytes.Buffer
	out := bufio.NewWriter(&buffer)
	write(out)
	out.Flush()
	return buffer.String()
}

// counts is what counters.c writes of a program in which main called a static function through a pointer.
const counts = `name main
name list.c;first
function 15822663052811949562 77 0 2 1 30 0 0
value 0 1 5 30
value 1 0 16 9
value 1 0 32 1
function 9505700958533490963 88 5 0 0 70
`

func TestCombine(t *testing.T) {
	profile, err := readCounts(strings.NewReader(counts))
	if err != nil {
		t.Fatal(err)
	}
	want := `# Written by make profile; main.go tells how to read it.
main 25 30000000 0*2
	calls 2 1=list.c;first:30000000
	sizes 1 0=16:9000000,32:1000000
list.c:
first 2g 70000000
`
	if diff := cmp.Diff(want, text(profile.write)); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
}

func TestCombineAddsRuns(t *testing.T) {
	profile, err := readCounts(strings.NewReader(counts))
	if err != nil {
		t.Fatal(err)
	}
	// Ten times as long, of the same weight.
	other, err := readCounts(strings.NewReader(strings.NewReplacer("30 0 0", "300 0 0", " 70\n", " 700\n").Replace(counts)))
	if err != nil {
		t.Fatal(err)
	}
	if err := profile.add(other); err != nil {
		t.Fatal(err)
	}
	if got := profile[key{"list.c;first", 88}].Counters[0]; got != 2*70_000_000 {
		t.Errorf("counter is %d", got)
	}
}

func TestRareIsNotNever(t *testing.T) {
	if got := scale(1, 1e-9); got != 1 {
		t.Errorf("1 became %d", got)
	}
	if got := scale(0, 1e9); got != 0 {
		t.Errorf("0 became %d", got)
	}
}

func TestSitesWithoutFavourite(t *testing.T) {
	site := Site{}
	for _, value := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u") {
		site[value] = 10
	}
	if got := site.String(); got != "" {
		t.Errorf("twenty-one equal values gave %s", got)
	}
	site["v"] = 100
	if got := site.String(); got != "v:100" {
		t.Errorf("got %s", got)
	}
}

func TestExpand(t *testing.T) {
	profile, err := readProfile(strings.NewReader(`# A comment.
main 25 30 0*2
	calls 2 1=list.c;first:30
list.c:
first 2g 70
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `:ir
main
77
3
30
0
0
1
0
2
0
1
list.c;first:30

list.c;first
88
1
70

`
	if diff := cmp.Diff(want, text(profile.writeLLVM)); diff != "" {
		t.Errorf("LLVM's text (-want +got):\n%s", diff)
	}
}

func TestMalformed(t *testing.T) {
	for _, line := range []string{
		"main", "main 25", "main ? 1", "main 25 x", "main 25 1*x", "main 25 1*-1", "main 25 1*99999999",
		"\tcalls 1 0=a:1", "main 25 1\n\tcalls", "main 25 1\n\tcalls -1", "main 25 1\n\tfloats 1",
		"main 25 1\n\tcalls 1 1=a:1", "main 25 1\n\tcalls 1 0=a", "main 25 1\n\tcalls 1 0=", "main 25 1\nmain 25 1 2",
	} {
		if _, err := readProfile(strings.NewReader(line)); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
	for _, line := range []string{
		"word", "function 1 2 3 0", "function 1 2 3 0 0 x", "function 1 2 3 0 0 5", "function 1 2 3 99999999 0 5",
		"value 0 0 1 1", "name a\nfunction 1 2 3 1 1 5\nvalue 2 0 1 1", "name a\nfunction 1 2 3 1 1 5\nvalue 0 1 1 1",
	} {
		if _, err := readCounts(strings.NewReader(line)); err == nil {
			t.Errorf("counts %q were accepted", line)
		}
	}
}

// TestKeptProfile: the profile of the recipe is in the form that it would be written in, so that its changes can be read.
func TestKeptProfile(t *testing.T) {
	kept, err := os.ReadFile("counts.txt")
	if err != nil {
		t.Fatal(err)
	}
	profile, err := readProfile(bytes.NewReader(kept))
	if err != nil {
		t.Fatal(err)
	}
	if text(profile.write) != string(kept) {
		t.Error("counts.txt is written in another way than it is read")
	}
	if len(profile) < 10_000 {
		t.Errorf("%d functions were counted", len(profile))
	}
}

func FuzzReadProfile(f *testing.F) {
	f.Add("main 25 30 0*2\n\tcalls 2 1=list.c;first:30\nlist.c:\nfirst 2g 70\n")
	f.Add("a.c:\nb 1 1\n\tsizes 3 0=1:5,2:4 2=513:1\n")
	f.Fuzz(func(t *testing.T, input string) {
		profile, err := readProfile(strings.NewReader(input))
		if err != nil {
			return
		}
		written := text(profile.write)
		again, err := readProfile(strings.NewReader(written))
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if diff := cmp.Diff(written, text(again.write)); diff != "" {
			t.Errorf("written twice (-first +second):\n%s", diff)
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	kept, err := os.ReadFile("counts.txt")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(kept)))
	for b.Loop() {
		profile, err := readProfile(bytes.NewReader(kept))
		if err != nil {
			b.Fatal(err)
		}
		text(profile.writeLLVM)
	}
}
