package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"boxer.dev/internal/bench/rival"
)

// Build says what `boxer bench build` measures with.
type Build struct {
	Boxer    string         // the executable of boxer, to be run as a process
	Rivals   []*rival.Rival // what it is compared with, as far as it builds
	TempDir  string         // for contexts and a store; empty: the host's default
	Quick    bool           // a fifth of the measurements
	Progress func(what string)
}

// The context: 5,000 Python files, 2 KB each, in 100 directories.
const (
	contextFiles = 5000
	perDirectory = 50
	contextText  = "FROM scratch\nCOPY . /app\n"
)

// Run builds the directory with each program in turns.
func (b Build) Run(ctx context.Context) (_ *Section, err error) {
	dir, err := os.MkdirTemp(b.TempDir, "boxer-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sides := []*builds{{key: "boxer", Build: rival.Build{Command: []string{b.Boxer, "build", "-q"}, Env: []string{
		"BOXER_HOME=" + filepath.Join(dir, "home"), "BOXER_CACHE=" + filepath.Join(dir, "cache"),
	}}}}
	for _, r := range b.Rivals {
		switch {
		case r.Build != nil:
			sides = append(sides, &builds{key: r.Key, Build: *r.Build})
		case r.Missing != "" && (r.Key == "docker" || r.Key == "podman"):
			sides = append(sides, &builds{key: r.Key, missing: r.Missing})
		}
	}
	count := rounds(10, b.Quick)
	for round := range count {
		if b.Progress != nil {
			b.Progress(fmt.Sprintf("builds of %d files, round %d of %d", contextFiles, round+1, count))
		}
		if err := b.round(ctx, filepath.Join(dir, fmt.Sprint(round)), sides); err != nil {
			return nil, err
		}
	}
	for _, side := range sides {
		side.clean(ctx)
	}
	return buildSection(sides)
}

// builds are those of one program.
type builds struct {
	rival.Build
	key                   string // of a contender
	missing               string // why it cannot be run; "" if it can
	cold, cached, changed Sample // microseconds
	images                []string
}

// round builds a directory that nobody has seen yet, again, and after a file has changed, with each program.
func (b Build) round(ctx context.Context, dir string, sides []*builds) error {
	if err := writeContext(dir); err != nil {
		return err
	}
	for _, side := range sides {
		if side.missing != "" {
			continue
		}
		if err := side.round(ctx, dir); err != nil && side.key == "boxer" {
			return err
		} else if err != nil {
			side.missing, side.cold, side.cached, side.changed = lastLine(err.Error()), nil, nil, nil
		}
	}
	return os.RemoveAll(dir)
}

// round builds a directory anew, unchanged and changed.
func (s *builds) round(ctx context.Context, dir string) error {
	cold, err := s.build(ctx, dir, "--no-cache")
	if err != nil {
		return err
	}
	// The first build without the flag may have something to remember still.
	if _, err := s.build(ctx, dir); err != nil {
		return err
	}
	cached, err := s.build(ctx, dir)
	if err != nil {
		return err
	}
	one := filepath.Join(dir, "d0", "f0.py")
	if err := os.WriteFile(one, []byte(fmt.Sprintf("builder = %q\n", s.key)), 0o644); err != nil {
		return err
	}
	changed, err := s.build(ctx, dir)
	if err != nil {
		return err
	}
	s.cold, s.cached, s.changed = append(s.cold, cold), append(s.cached, cached), append(s.changed, changed)
	return nil
}

// build gives how long a build took, in microseconds.
func (s *builds) build(ctx context.Context, dir string, flags ...string) (float64, error) {
	args := append(append(s.Command[1:len(s.Command):len(s.Command)], flags...), "-f", filepath.Join(dir, "Dockerfile"), dir)
	cmd := exec.CommandContext(ctx, s.Command[0], args...)
	cmd.Env = append(os.Environ(), s.Env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := microseconds(time.Since(start))
	if err != nil {
		return 0, fmt.Errorf("running %s build: %w\n%s", s.Command[0], err, stderr.String())
	}
	s.images = append(s.images, strings.TrimSpace(stdout.String()))
	return took, nil
}

// clean removes what was built, as far as that is possible: the same image can be there under two names.
func (s *builds) clean(ctx context.Context) {
	if s.Remove == nil {
		return
	}
	for _, image := range s.images {
		exec.CommandContext(ctx, s.Remove[0], append(s.Remove[1:len(s.Remove):len(s.Remove)], image)...).Run()
	}
}

func writeContext(dir string) error {
	for i := range contextFiles {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", i/perDirectory))
		if i%perDirectory == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		text := strings.Repeat(fmt.Sprintf("value_%d = %d\n", i, i*i), 100)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%d.py", i)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(contextText), 0o644)
}

// buildSection sums up; the first side is boxer.
func buildSection(sides []*builds) (*Section, error) {
	s := &Section{Name: "build", Title: "Building", How: []string{
		"A directory of 5,000 Python files of 2 KB is copied into an empty image: as nobody has seen it before, unchanged, and after one file has changed.",
		"Each build is a whole process; the page cache is warm, since the files have just been written.",
		"docker builds by BuildKit; where its client lacks the component buildx that this takes, by its older, slower builder.",
	}}
	for _, kind := range []struct {
		key, what, goal, over string
		of                    func(*builds) Sample
	}{
		{"cold", "5,000 files, cold", "", "cold_over_docker", func(b *builds) Sample { return b.cold }},
		{"cached", "5,000 files, unchanged", "≤ 150", "cached_over_docker", func(b *builds) Sample { return b.cached }},
		{"changed", "5,000 files, one changed", "", "changed_over_docker", func(b *builds) Sample { return b.changed }},
	} {
		s.add(Line{Key: kind.key + "_us", What: kind.what, Unit: "ms", Figure: figure(kind.of(sides[0])), Scale: 1e-3, Goal: kind.goal})
		contenders := make([]taken, len(sides))
		for i, side := range sides {
			contenders[i] = taken{side.key, kind.of(side), side.missing}
			if side.key != "docker" {
				continue
			}
			over := Line{Key: kind.over, What: "  as a multiple of docker's", Unit: "×", Goal: "≤ 0.5"}
			if side.missing != "" {
				s.lacks(over, side.missing)
				continue
			}
			pairs, err := kind.of(sides[0]).Over(kind.of(side))
			if err != nil {
				return nil, err
			}
			over.Figure = figure(pairs)
			s.add(over)
		}
		c, err := compare(Comparison{Key: kind.key, What: kind.what, Unit: "ms", Scale: 1e-3}, contenders)
		if err != nil {
			return nil, err
		}
		s.Comparisons = append(s.Comparisons, c)
	}
	return s, nil
}
