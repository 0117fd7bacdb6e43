package wasm

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// allFeatures is everything that the engine can be told to accept.
const allFeatures = api.CoreFeaturesV2 | experimental.CoreFeaturesThreads | experimental.CoreFeaturesTailCall |
	experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesExceptionHandling |
	experimental.CoreFeaturesTypedFunctionReferences

func newEngine(t testing.TB) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(allFeatures))
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

// compiles says whether the engine accepts the module. It may panic over a malformed one, which is no acceptance.
func compiles(r wazero.Runtime, module []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fs.ErrInvalid
		}
	}()
	c, err := r.CompileModule(context.Background(), module)
	if err == nil {
		err = c.Close(context.Background())
	}
	return err
}

// specTests is the folder of the engine's source that holds the specification's tests in binary form.
func specTests(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	if err == nil {
		_, err = os.Stat(dir)
	}
	if err != nil {
		t.Fatalf("the specification's tests are part of wazero's source, which is missing (%v)\nhint: go mod download", err)
	}
	return dir
}

func eachSpecModule(t testing.TB, f func(name string, module []byte)) {
	t.Helper()
	dir := specTests(t)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" {
			return err
		}
		module, err := os.ReadFile(path)
		if err == nil {
			f(strings.TrimPrefix(path, dir+string(filepath.Separator)), module)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// accepts is the opinion of this package.
func accepts(module []byte) error {
	m, err := Parse(module)
	if err != nil {
		return err
	}
	return m.CheckCode()
}

// What the engine accepts, this package reads whole and writes back as it was; what it rewrites, the engine accepts.
func TestSpecModules(t *testing.T) {
	engine := newEngine(t)
	valid, rejected, invalid := 0, 0, 0
	eachSpecModule(t, func(name string, module []byte) {
		if err := compiles(engine, module); err != nil {
			invalid++
			if accepts(module) != nil {
				rejected++
			}
			return
		}
		valid++
		if err := accepts(module); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		m, _ := Parse(module)
		if !bytes.Equal(m.Encode(), module) {
			t.Errorf("%s: encoding differs from what was parsed", name)
		}
		for pass, rewrite := range passes {
			rewritten, err := rewrite(module)
			if err == nil {
				err = compiles(engine, rewritten)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, pass, err)
			}
		}
	})
	t.Logf("%d valid modules; of %d invalid ones, %d are malformed", valid, invalid, rejected)
	if valid < 1000 || rejected < 100 {
		t.Errorf("only %d valid and %d malformed modules were found", valid, rejected)
	}
}

var passes = map[string]func([]byte) ([]byte, error){
	"Portable":   Portable,
	"Ticks":      func(b []byte) ([]byte, error) { return Metered(b, Ticks) },
	"Fuel":       func(b []byte) ([]byte, error) { return Metered(b, Fuel) },
	"Edges":      ExplicitEdges,
	"renumbered": renumbered,
	"Skeleton":   Skeleton,
	"ExportGlobals": func(b []byte) ([]byte, error) {
		b, _, err := ExportGlobals(b, "boxer.global.")
		return b, err
	},
}
