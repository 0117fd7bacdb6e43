package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/runtime"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), configName)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestConfiguration(t *testing.T) {
	name := writeConfig(t, `
wasi:
  memory_limit_bytes: 67_108_864
  max_fuel: 1000000
  execution_timeout_ms: 1500
  cpu_time_ms: 1000
  max_output_bytes: 1024
  max_writable_bytes: 2048
  max_files: 10
  max_open_files: 20
  grace_ms: 250
  seed: 18446744073709551615
  deterministic: true
  allowed_paths: [ ./data:/data:ro, /srv, kept:/kept ]
  env_vars: [ A=1, HOME ]
  security:
    allow_network: false
    allow_subprocess: true
    fs_readonly: true
    allow_clock: false
    allow_random: false
`)
	got, err := readConfiguration(name, false)
	if err != nil {
		t.Fatal(err)
	}
	want := runtime.Limits{
		Memory: 64 << 20, Fuel: 1e6, Timeout: 1500 * time.Millisecond, CPU: time.Second, Output: 1024, Writable: 2048,
		Files: 10, OpenFiles: 20, ReadOnly: true, FixedClock: true, SeededRandom: true,
		Deterministic: true,
	}
	if diff := cmp.Diff(want, got.limits); diff != "" {
		t.Errorf("limits (-want +got)\n%s", diff)
	}
	// A bare name is that of a volume, as with -v.
	volumes := []string{filepath.Join(filepath.Dir(name), "data") + ":/data:ro", "/srv:/srv", "kept:/kept"}
	if diff := cmp.Diff(volumes, got.volumes); diff != "" {
		t.Errorf("volumes (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"A=1", "HOME"}, got.env); diff != "" {
		t.Errorf("variables (-want +got)\n%s", diff)
	}
	if got.grace != 250*time.Millisecond || got.seed == nil || *got.seed != 1<<64-1 {
		t.Errorf("grace %v, seed %v", got.grace, got.seed)
	}
	if len(got.warnings) != 1 {
		t.Errorf("warnings %q", got.warnings)
	}
	for _, empty := range []string{"", "# nothing\n", "wasi:\n", "wasi: {}\n"} {
		if got, err := readConfiguration(writeConfig(t, empty), true); err != nil || got.limits != (runtime.Limits{}) || len(got.volumes)+len(got.env) > 0 {
			t.Errorf("%q: %+v, %v", empty, got, err)
		}
	}
}

func TestBadConfiguration(t *testing.T) {
	for text, reason := range map[string]string{
		"limits: {}": `yaml:1: there is no "limits" at the top`,
		"wasi:\n  max_open_files: 1\n  max_feul: 1":         `yaml:3: there is no "max_feul" in wasi`,
		"wasi: {security: {allow_everything: 1}}":           `yaml:1: there is no "allow_everything" in security`,
		"wasi: &w {max_feul: 1}":                            "max_feul",
		"x: &w {max_feul: 1}\nwasi: *w":                     `"x"`,
		"wasi: {<<: {max_feul: 1}}":                         `"<<"`,
		"wasi: {max_fuel: 1}\nwasi: {max_fuel: 2}":          "wasi",
		"wasi: {max_fuel: 1, max_fuel: 2}":                  "max_fuel",
		"wasi: {security: {allow_network: true}}":           "no network yet",
		"wasi: {security: {allow_clock: seeded}}":           "fixed nor off",
		"wasi: {security: {allow_random: []}}":              "true, false or a word",
		"wasi: {seed: -1}":                                  "yaml:1:",
		"wasi: {grace_ms: -1}":                              "no time",
		"wasi: {max_fuel: 0}":                               "no limit",
		"wasi: {max_fuel: -1}":                              "no limit",
		"wasi: {max_fuel: 1.5}":                             "yaml:1:",
		"wasi: {max_fuel: many}":                            "many",
		"wasi: {execution_timeout_ms: 9223372036854775807}": "no limit",
		"wasi: {allowed_paths: [data]}":                     "not absolute",
		"wasi: {allowed_paths: ['']}":                       "empty path",
		"wasi: {allowed_paths: /data}":                      "yaml:1:",
		"wasi: {env_vars: 1}":                               "yaml:1:",
		"wasi: {security: {fs_readonly: maybe}}":            "maybe",
		"wasi: {}\n---\nwasi: {}":                           "more than one document",
		"wasi: [":                                           "",
		"wasi: {max_fuel: &a [*a]}":                         "",
		"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n": "",
		strings.Repeat("[", 100_000): "",
	} {
		got, err := readConfiguration(writeConfig(t, text), false)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.60q: %+v, %v; want %q", text, got, err, reason)
		}
	}
}

// TestFoundConfigurationGrantsLittle: boxer.yaml of a directory that somebody unpacked or cloned cannot reach out of it.
func TestFoundConfigurationGrantsLittle(t *testing.T) {
	outside := t.TempDir()
	for text, harmless := range map[string]bool{
		"wasi: {allowed_paths: [./data:/data]}":                        true,
		"wasi: {allowed_paths: [.:/all:ro]}":                           true,
		"wasi: {allowed_paths: [./missing/deep:/x]}":                   true,
		"wasi: {allowed_paths: [../:/up]}":                             false,
		"wasi: {allowed_paths: [./data/../../x:/up]}":                  false,
		"wasi: {allowed_paths: [./link:/link]}":                        false,
		"wasi: {allowed_paths: [./link/deep:/link]}":                   false,
		"wasi: {allowed_paths: [/:/host]}":                             false,
		"wasi: {allowed_paths: ['" + outside + ":/x']}":                false,
		"wasi: {allowed_paths: [volume:/x]}":                           false,
		"wasi: {env_vars: {A: b}}":                                     true,
		"wasi: {env_vars: [A=b]}":                                      true,
		"wasi: {env_vars: [AWS_SECRET_ACCESS_KEY]}":                    false,
		"wasi: {memory_limit_bytes: 1, security: {allow_clock: true}}": true,
		"wasi: {memory_limit_bytes: 1000000000000}":                    false,
		"wasi: {max_fuel: 1000000000000}":                              true,
	} {
		name := writeConfig(t, text)
		dir := filepath.Dir(name)
		if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(outside, "deep"), 0o700); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if _, err := readConfiguration(name, true); (err == nil) != harmless {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := readConfiguration(name, false); err != nil {
			t.Errorf("%s, named: %v", text, err)
		}
	}
}

func FuzzConfiguration(f *testing.F) {
	for _, seed := range []string{
		"wasi:\n  max_fuel: 1\n  allowed_paths: [./a:/b:ro]\n  env_vars: {A: b}\n  security: {allow_clock: false}\n",
		"wasi: {execution_timeout_ms: 1}", "--- !!map\n? wasi\n: !!null", "wasi: &a {max_fuel: 1}\n<<: *a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parseConfiguration("boxer.yaml", text)
		if err != nil {
			return
		}
		c, err := parsed.WASI.configuration("/dir")
		if err != nil {
			return
		}
		// Nothing that is read loosens a bound or is passed on as something else.
		if l := c.limits; l.Memory < 0 || l.Timeout < 0 || l.Fuel < 0 || l.Or(defaultLimits).Writable <= 0 {
			t.Fatalf("%q: %+v", text, l)
		}
		for _, spec := range c.volumes {
			if source, _, ok := strings.Cut(spec, ":"); !ok || isHostPath(source) && !filepath.IsAbs(source) {
				t.Fatalf("%q: %q", text, spec)
			}
		}
		_ = parsed.WASI.harmless(t.TempDir())
	})
}

// TestDefaultLimitsAreDocumented: the table of docs/limits.md, and the help, have the limits that hold without a flag.
func TestDefaultLimitsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	var usual, untrusted runtime.Limits
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		for _, f := range shortLimits {
			if len(cells) != 5 || cells[1] != "`--"+f.flag+"`" {
				continue
			}
			for limits, cell := range map[*runtime.Limits]string{&usual: cells[2], &untrusted: cells[3]} {
				if err := limits.ParseLimit(f.limit + "=" + cell); err != nil && cell != "none" {
					t.Error(err)
				}
			}
			if cells[2] != "none" && !strings.HasSuffix(f.usage, "(default "+cells[2]+")") {
				t.Errorf("help of --%s: %q", f.flag, f.usage)
			}
		}
	}
	if usual != defaultLimits || untrusted != untrustedLimits {
		t.Errorf("documented: %s; %s", usual, untrusted)
	}
}

// TestConfigurationBombs: aliases that multiply, and nests without an end, are refused before they are anything.
func TestConfigurationBombs(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, text := range map[string]string{
		"aliases":   laughs + "wasi: {allowed_paths: *a12}\n",
		"itself":    "wasi: &w {allowed_paths: [*w]}\n",
		"nests":     "wasi: {allowed_paths: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}\n",
		"maps":      strings.Repeat("{a: ", 100_000),
		"merges":    "a: &a {<<: *a}\nwasi: *a\n",
		"documents": strings.Repeat("---\nwasi: {}\n", 10_000),
	} {
		if _, err := parseConfiguration("boxer.yaml", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		} else if len(err.Error()) > 10_000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}
