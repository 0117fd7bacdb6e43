package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Build says what `boxer bench build` measures with.
type Build struct {
	Boxer    string // the executable of boxer, to be run as a process
	Docker   string // the executable of docker; empty: it is not compared with
	TempDir  string // for contexts and a store; empty: the host's default
	Quick    bool   // a fifth of the measurements
	Progress func(what string)
}

// BuildReport holds figures of building a directory of 5,000 files, each a whole process, in microseconds. One that could not
// be taken is nil, and Missing says why.
type BuildReport struct {
	Cold, Cached             *Figure // nothing known of the files; nothing changed
	DockerCold, DockerCached *Figure // the same by docker build
	ColdRatio, CachedRatio   *Figure // boxer's time divided by docker's
	Missing                  map[string]string
}

// The context: 5,000 Python files, 2 KB each, in 100 directories.
const (
	contextFiles = 5000
	perDirectory = 50
	contextText  = "FROM scratch\nCOPY . /app\n"
)

// Run takes all figures.
func (b Build) Run(ctx context.Context) (_ *BuildReport, err error) {
	dir, err := os.MkdirTemp(b.TempDir, "boxer-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &BuildReport{Missing: map[string]string{}}
	boxer := builds{command: []string{b.Boxer, "build", "-q"}, env: []string{
		"BOXER_HOME=" + filepath.Join(dir, "home"), "BOXER_CACHE=" + filepath.Join(dir, "cache"),
	}}
	sides := []*builds{&boxer}
	docker := builds{command: []string{b.Docker, "build", "-q"}, env: []string{"DOCKER_BUILDKIT=1"}}
	if why := b.dockerMissing(ctx); why == "" {
		sides = append(sides, &docker)
	} else {
		r.Missing["docker_cold_us"], r.Missing["docker_cached_us"] = why, why
		r.Missing["cold_over_docker"], r.Missing["cached_over_docker"] = why, why
	}
	rounds := 10
	if b.Quick {
		rounds = 3
	}
	for round := range rounds {
		if b.Progress != nil {
			b.Progress(fmt.Sprintf("builds of %d files, round %d of %d", contextFiles, round+1, rounds))
		}
		if err := b.round(ctx, filepath.Join(dir, fmt.Sprint(round)), sides); err != nil {
			return nil, err
		}
	}
	r.Cold, r.Cached = figure(boxer.cold), figure(boxer.cached)
	if len(sides) == 1 {
		return r, nil
	}
	return r, r.compare(boxer, docker)
}

func (r *BuildReport) compare(boxer, docker builds) error {
	cold, err := boxer.cold.Over(docker.cold)
	if err != nil {
		return err
	}
	cached, err := boxer.cached.Over(docker.cached)
	if err != nil {
		return err
	}
	r.DockerCold, r.DockerCached = figure(docker.cold), figure(docker.cached)
	r.ColdRatio, r.CachedRatio = figure(cold), figure(cached)
	return nil
}

// dockerMissing says why there is no comparison; empty: there is one.
func (b Build) dockerMissing(ctx context.Context) string {
	if b.Docker == "" {
		return "there is no docker"
	}
	if err := exec.CommandContext(ctx, b.Docker, "version", "--format", "{{.Server.Version}}").Run(); err != nil {
		return "no docker daemon answers"
	}
	return ""
}

// builds are those of one program.
type builds struct {
	command      []string
	env          []string
	cold, cached Sample
}

// round builds a directory that nobody has seen yet, and again, with each program.
func (b Build) round(ctx context.Context, dir string, sides []*builds) error {
	if err := writeContext(dir); err != nil {
		return err
	}
	for _, side := range sides {
		cold, err := side.build(ctx, dir, "--no-cache")
		if err != nil {
			return err
		}
		// The first build without the flag may have something to remember still.
		if _, err := side.build(ctx, dir); err != nil {
			return err
		}
		cached, err := side.build(ctx, dir)
		if err != nil {
			return err
		}
		side.cold, side.cached = append(side.cold, cold), append(side.cached, cached)
	}
	return os.RemoveAll(dir)
}

// build gives how long a build took, in microseconds.
func (s *builds) build(ctx context.Context, dir string, flags ...string) (float64, error) {
	args := append(append(s.command[1:len(s.command):len(s.command)], flags...), "-f", filepath.Join(dir, "Dockerfile"), dir)
	cmd := exec.CommandContext(ctx, s.command[0], args...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout = io.Discard
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	took := microseconds(time.Since(start))
	if err != nil {
		return 0, fmt.Errorf("running %s build: %w\n%s", s.command[0], err, stderr.String())
	}
	return took, nil
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

func (r *BuildReport) lines() []line {
	return []line{
		{"cold_us", "5,000 files, cold", "ms", r.Cold, 1e-3, ""},
		{"cached_us", "5,000 files, unchanged", "ms", r.Cached, 1e-3, "≤ 150"},
		{"docker_cold_us", "docker build, cold", "ms", r.DockerCold, 1e-3, ""},
		{"docker_cached_us", "docker build, unchanged", "ms", r.DockerCached, 1e-3, ""},
		{"cold_over_docker", "  boxer as a multiple, cold", "×", r.ColdRatio, 1, "≤ 0.5"},
		{"cached_over_docker", "  boxer as a multiple, unchanged", "×", r.CachedRatio, 1, "≤ 0.5"},
	}
}

// MarshalJSON is as StartReport's.
func (r *BuildReport) MarshalJSON() ([]byte, error) { return marshalLines(r.lines(), r.Missing) }

// Write prints the report as a table.
func (r *BuildReport) Write(w io.Writer) error { return writeLines(w, r.lines(), r.Missing) }
