package registry

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// tool runs a program of others.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v\nhint: make tools", err)
	}
	command := exec.Command(path, args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, &stderr)
	}
	return string(output)
}

// crane builds go-containerregistry's program, at the version that boxer itself is built with.
func crane(t *testing.T) string {
	t.Helper()
	const module = "github.com/google/go-containerregistry"
	dir := t.TempDir()
	version := strings.TrimSpace(tool(t, "go", "list", "-m", "-f", "{{.Version}}", module))
	install := exec.Command("go", "install", module+"/cmd/crane@"+version)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("building crane: %v\n%s", err, output)
	}
	return filepath.Join(dir, "crane")
}

// nativeLayer is a layer as boxes have them.
func nativeLayer(t *testing.T, compression oci.Compression) v1.Layer {
	t.Helper()
	fsys := vfs.New()
	before := fsys.Fork()
	file, err := fsys.Open("/main.py", vfs.O_CREATE|vfs.O_WRONLY, 0o644)
	check(t, err)
	_, err = file.Write([]byte("print('hello')\n"))
	check(t, err)
	check(t, file.Close())
	changes, err := vfs.Diff(before, fsys)
	check(t, err)
	layer, err := oci.NewLayer(changes, oci.LayerOptions{Compression: compression})
	check(t, err)
	return layer
}

// What boxer pushed, skopeo and crane take for an image like any other, and what they push boxer pulls.
func TestOtherToolsAgree(t *testing.T) {
	crane := crane(t)
	for _, compression := range []oci.Compression{oci.Zstd, oci.Gzip} {
		t.Run(compression.String(), func(t *testing.T) {
			server := registrytest.Start(t, registrytest.Options{Debian: true})
			client, _ := impatient(Options{})
			store := newStore(t)
			ref := server.Host + "/app:1"
			want, err := client.Push(t.Context(), store, stored(t, store, ref, nativeLayer(t, compression)), ref)
			check(t, err)

			var seen struct{ Digest, Os, Architecture string }
			check(t, json.Unmarshal([]byte(tool(t, "skopeo", "inspect", "--tls-verify=false", "docker://"+ref)), &seen))
			if seen.Digest != want.String() || seen.Os != "wasip1" || seen.Architecture != "wasm" {
				t.Errorf("skopeo sees %+v", seen)
			}
			if got := strings.TrimSpace(tool(t, crane, "digest", ref)); got != want.String() {
				t.Errorf("crane sees %s", got)
			}
			if compression == oci.Gzip { // crane decompresses nothing else
				tool(t, crane, "validate", "--remote", ref)
			}

			layout := filepath.Join(t.TempDir(), "layout")
			tool(t, "skopeo", "copy", "--src-tls-verify=false", "docker://"+ref, "oci:"+layout+":app")
			tool(t, "skopeo", "copy", "--dest-tls-verify=false", "oci:"+layout+":app", "docker://"+server.Host+"/skopeo")
			tool(t, crane, "copy", ref, server.Host+"/crane")
			for _, name := range []string{"skopeo", "crane"} {
				to := newStore(t)
				got, err := client.Pull(t.Context(), to, server.Host+"/"+name)
				check(t, err)
				if got != want {
					t.Errorf("%s came back from %s as %s", want, name, got)
				}
				whole(t, to, server.Host+"/"+name)
			}
		})
	}
}
