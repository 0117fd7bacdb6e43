package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"boxer.dev/oci"
)

// writeFiles makes a directory of files.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// boxerIn runs a command line with a home of its own.
func boxerIn(t *testing.T, home string, args ...string) (stdout, stderr string) {
	t.Helper()
	t.Setenv("BOXER_HOME", home)
	var out, errs bytes.Buffer
	if status := doMain(args, strings.NewReader(""), &out, &errs); status != 0 {
		t.Fatalf("boxer %s: status %d\n%s", strings.Join(args, " "), status, &errs)
	}
	return out.String(), errs.String()
}

func TestCacheInRegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/team/cache:main"
	dir := writeFiles(t, map[string]string{
		"Boxfile": "FROM scratch AS tools\nCOPY tool /bin/\nFROM scratch\nCOPY --from=tools /bin /opt\nCOPY src /src\nRUN ls /src > /list\n",
		"tool":    "tool", "src/a": "a",
	})
	here, there := t.TempDir(), t.TempDir()
	digest, _ := boxerIn(t, here, "build", "-q", "--cache-to", "type=registry,ref="+ref, dir)
	_, progress := boxerIn(t, there, "build", "--progress", "plain", "--cache-from", ref, "--cache-to", "type=registry,ref="+ref+"-min,mode=min", dir)
	if n := strings.Count(progress, "CACHED"); n != 4 {
		t.Errorf("%d of 4 steps come from the registry:\n%s", n, progress)
	}
	if again, _ := boxerIn(t, there, "build", "-q", dir); again != digest {
		t.Errorf("digest %s there, %s here", again, digest)
	}
	whole, small := cacheLayers(t, ref), cacheLayers(t, ref+"-min")
	if whole != 4 || small != 3 {
		t.Errorf("%d layers, and %d of the target alone", whole, small)
	}
}

// cacheLayers counts the layers of a cache in a registry, after making sure that it is an OCI image like any other.
func cacheLayers(t *testing.T, ref string) int {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.Validate(img); err != nil {
		t.Error(err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.MediaType != "application/vnd.oci.image.manifest.v1+json" || manifest.Config.MediaType != "application/vnd.oci.image.config.v1+json" {
		t.Errorf("media types %s and %s", manifest.MediaType, manifest.Config.MediaType)
	}
	return len(manifest.Layers)
}

func TestParseCachePlace(t *testing.T) {
	for _, test := range []struct{ flag, spec, want string }{
		{"cache-from", "team/app", "team/app"},
		{"cache-from", "type=registry,ref=localhost:5000/x:1", "localhost:5000/x:1"},
		{"cache-from", "type=local,src=a b/c", "a b/c"},
		{"cache-to", `type=local,"dest=a,b"`, "a,b"},
		{"cache-to", "type=local,dest=x,mode=max", "x"},
		{"cache-from", "type=local,src=x,mode=max", "error"},
		{"cache-to", "type=local,src=x", "error"},
		{"cache-to", "type=local,dest=x,ref=y", "error"},
		{"cache-to", "type=local", "error"},
		{"cache-to", "type=registry", "error"},
		{"cache-to", "type=registry,ref=UPPER", "error"},
		{"cache-to", "type=inline", "error"},
		{"cache-to", "", "error"},
		{"cache-to", `"`, "error"},
	} {
		place, err := parseCachePlace(test.flag, test.spec)
		got := "error"
		if err == nil {
			got = place.String()
		}
		if got != test.want {
			t.Errorf("--%s %s: %s (%v), want %s", test.flag, test.spec, got, err, test.want)
		}
	}
}

// boxerProgram is this test as the program boxer: see TestMain.
func boxerProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "boxer")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// A build that is interrupted leaves no box, and nothing that a later one would stumble over.
func TestInterruptedBuild(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGINT that one process could send another")
	}
	for name, test := range map[string]struct{ step, begun string }{
		"COPY": {"COPY large /", "COPY large"},
		"RUN":  {"RUN echo begun; while true; do echo x > /x; done", "begun\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"Boxfile": "FROM scratch\nCOPY small /\n" + test.step + "\n", "small": "small"})
			if err := os.WriteFile(filepath.Join(dir, "large"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, "large"), 20<<30); err != nil {
				t.Fatal(err)
			}
			home := t.TempDir()
			interrupt(t, home, dir, test.begun)
			images := filepath.Join(home, "images")
			store, err := oci.Open(images)
			if err != nil {
				t.Fatal(err)
			}
			if list, err := store.List(); len(list) > 0 || err != nil {
				t.Errorf("the store has %v, %v", list, err)
			}
			boxfile := filepath.Join(dir, "Boxfile")
			if err := os.WriteFile(boxfile, []byte("FROM scratch\nCOPY small /\nRUN cat /small > /x\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			_, progress := boxerIn(t, home, "build", "--progress", "plain", "-t", "after", dir)
			if strings.Count(progress, "CACHED") != 1 {
				t.Errorf("the step before the interrupt is not in the cache:\n%s", progress)
			}
			want, _ := boxerIn(t, t.TempDir(), "build", "-q", dir)
			got, _ := boxerIn(t, home, "build", "-q", dir)
			if got != want {
				t.Errorf("digest %s, want %s", got, want)
			}
			left, err := filepath.Glob(filepath.Join(images, "tmp", "boxer-build-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		})
	}
}

// Builds of one store at once, killed at any moment: what is left gives the same boxes as a store of its own would.
func TestKilledBuilds(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	dir := writeFiles(t, map[string]string{
		"Boxfile": "FROM scratch AS a\nCOPY src /src\nRUN cat /src/* > /all\nFROM scratch\nCOPY --from=a /all /\nRUN wc -c /all > /count\n",
	})
	home, program := t.TempDir(), boxerProgram(t)
	for round := range rounds {
		for i := range 20 {
			name := filepath.Join(dir, "src", fmt.Sprint(i))
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, bytes.Repeat([]byte{byte(round)}, 50_000), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		var builds []*exec.Cmd
		for i := range 2 {
			cmd := exec.Command(program, "build", "-q", "-t", fmt.Sprintf("box:%d-%d", round, i), dir)
			cmd.Env = append(os.Environ(), "BOXER_HOME="+home)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			builds = append(builds, cmd)
		}
		for _, cmd := range builds {
			time.AfterFunc(time.Duration(rand.IntN(100_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait() // killed or not
		}
		checkImages(t, home)
	}
	got, _ := boxerIn(t, home, "build", "-q", dir)
	want, _ := boxerIn(t, t.TempDir(), "build", "-q", dir)
	if got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	boxerIn(t, home, "prune", "--force")
	checkImages(t, home)
}

// checkImages demands that every box of a store is whole.
func checkImages(t *testing.T, home string) {
	t.Helper()
	store, err := oci.Open(filepath.Join(home, "images"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range list {
		img, err := store.Image(stored.Digest.String())
		if err == nil {
			err = oci.Validate(img)
		}
		if err != nil {
			t.Errorf("%s: %v", stored.Name, err)
		}
	}
}

// interrupt starts a build and sends it SIGINT when it has come to a place.
func interrupt(t *testing.T, home, dir, begun string) {
	t.Helper()
	cmd := exec.Command(boxerProgram(t), "build", "--progress", "plain", dir)
	cmd.Env = append(os.Environ(), "BOXER_HOME="+home)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var heard strings.Builder
	for lines := bufio.NewReader(stderr); !strings.Contains(heard.String(), begun); {
		line, err := lines.ReadString('\n')
		if fmt.Fprint(&heard, line); err != nil {
			t.Fatalf("it ended before %q: %v\n%s", begun, err, &heard)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stderr)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("it ended with %v", err)
	}
}
