package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/oci"
)

// Each stage that is needed is built, once, and no other; what a step tells of comes in order.
func TestStagesAreBuiltOnce(t *testing.T) {
	var rec recorder
	boxfile := mustParse(t, `FROM scratch AS a
RUN echo a > /a
FROM scratch AS unused
RUN exit 1
FROM a AS b
RUN echo b > /b
FROM scratch
WORKDIR /w
COPY --from=a /a /
COPY --from=0 /a /b
COPY --from=b /b /c
`)
	res, err := Build(t.Context(), Options{Boxfile: boxfile, Run: shellRun, Progress: &rec})
	if err != nil {
		t.Fatal(err)
	}
	var started []string
	for _, line := range rec.lines {
		if text, ok := strings.CutPrefix(line, "start "); ok {
			started = append(started, text)
		}
	}
	slices.Sort(started)
	want := []string{
		"a 1/1 line 2: RUN echo a > /a", "b 1/1 line 6: RUN echo b > /b", "stage-3 1/4 line 8: WORKDIR /w",
		"stage-3 2/4 line 9: COPY --from=a /a /", "stage-3 3/4 line 10: COPY --from=0 /a /b", "stage-3 4/4 line 11: COPY --from=b /b /c",
	}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	var steps []string
	for _, step := range res.Steps {
		steps = append(steps, fmt.Sprintf("%s %d/%d line %d: %s", step.Stage, step.Index, step.Total, step.Line, step.Instruction))
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps of the result (-want +got):\n%s", diff)
	}
}

// Commands of stages that do not need each other run at the same time: here each waits for the other.
func TestStagesAreBuiltAtOnce(t *testing.T) {
	left, right := make(chan struct{}), make(chan struct{})
	run := func(ctx context.Context, r RunRequest) (int, error) {
		mine, other := left, right
		if r.Args[0] == "right" {
			mine, other = right, left
		}
		close(mine)
		select {
		case <-other:
			return 0, r.FS.WriteFile("/"+r.Args[0], nil, 0o644)
		case <-ctx.Done():
			return 1, ctx.Err()
		}
	}
	boxfile := mustParse(t, `FROM scratch AS left
RUN ["left"]
FROM scratch AS right
RUN ["right"]
FROM left
COPY --from=right /right /
`)
	opts := Options{Boxfile: boxfile, Run: run}
	b, err := newBuild(opts)
	if err != nil {
		t.Fatal(err)
	}
	b.slots = make(slots, 2) // also on one processor
	res, err := b.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.Validate(res.Image); err != nil {
		t.Error(err)
	}
	if err := closeAll(b.opened); err != nil {
		t.Error(err)
	}
}

// The first stage that fails ends the others, and is the one told of.
func TestFirstErrorEndsOtherStages(t *testing.T) {
	broken := errors.New("broken")
	run := func(ctx context.Context, r RunRequest) (int, error) {
		if r.Args[0] == "wait" {
			<-ctx.Done()
			return 1, errors.New("killed")
		}
		return 0, broken
	}
	for _, order := range [][2]string{{"wait", "fail"}, {"fail", "wait"}} {
		b, err := newBuild(Options{Boxfile: mustParse(t, fmt.Sprintf(`FROM scratch AS a
RUN [%q]
FROM scratch AS b
RUN [%q]
FROM scratch
COPY --from=a /x /
COPY --from=b /x /
`, order[0], order[1])), Run: run})
		if err != nil {
			t.Fatal(err)
		}
		b.slots = make(slots, 2)
		_, err = b.run(t.Context())
		var placed *Error
		if !errors.Is(err, broken) || !errors.As(err, &placed) || placed.Line != 2*slices.Index(order[:], "fail")+2 {
			t.Errorf("%v: got %v", order, err)
		}
		if err := closeAll(b.opened); err != nil {
			t.Error(err)
		}
	}
}

// Where several stages fail, the first of the Boxfile is told of.
func TestErrorOfFirstStage(t *testing.T) {
	boxfile := mustParse(t, `FROM scratch AS a
RUN false
FROM a AS b
RUN true
FROM b AS c
COPY --from=a /x /
FROM scratch
COPY --from=c /x /
COPY --from=b /x /
`)
	run := func(context.Context, RunRequest) (int, error) { return 1, nil }
	for range 20 {
		_, err := Build(t.Context(), Options{Boxfile: boxfile, Run: run})
		var placed *Error
		if !errors.As(err, &placed) || placed.Line != 2 {
			t.Fatalf("got %v", err)
		}
	}
}

// A stage that others start from and copy from at the same time, with a memory image of its own.
func TestSnapshotOfSharedStage(t *testing.T) {
	const text = `FROM scratch AS base
CMD ["app"]
RUN write /x x
SNAPSHOT
FROM base AS a
RUN write /a a
FROM base AS b
COPY --from=base /x /y
FROM a
COPY --from=b /y /
`
	first := ""
	for range 10 {
		res, err := buildSnapshots(t, text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Digest.String(); first != "" && got != first {
			t.Fatalf("digest %s, then %s", first, got)
		}
		first = res.Digest.String()
	}
}
