package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"boxer.dev/runtime"
)

// configName is the file of grants and limits that `boxer run` reads where it is started, if no other is named.
const configName = "boxer.yaml"

// maxConfig bounds it, in bytes.
const maxConfig = 1 << 20

// configFile is boxer.yaml. Whatever it does not know is an error: a limit with a slip in its name would not be held.
type configFile struct {
	WASI wasiConfig `yaml:"wasi"`
}

// wasiConfig is what a run may use. Numbers that are left out are no limit.
type wasiConfig struct {
	MemoryLimitBytes   *int64 `yaml:"memory_limit_bytes"`
	MaxFuel            *int64 `yaml:"max_fuel"`
	ExecutionTimeoutMS *int64 `yaml:"execution_timeout_ms"`
	CPUTimeMS          *int64 `yaml:"cpu_time_ms"`
	MaxOutputBytes     *int64 `yaml:"max_output_bytes"`
	MaxWritableBytes   *int64 `yaml:"max_writable_bytes"`
	MaxFiles           *int64 `yaml:"max_files"`
	MaxOpenFiles       *int64 `yaml:"max_open_files"`
	GraceMS            *int64 `yaml:"grace_ms"`

	Deterministic bool    `yaml:"deterministic"`
	Seed          *uint64 `yaml:"seed"`

	// AllowedPaths are -v's: SOURCE:PATH[:ro], or a host path alone, which is mounted at the same path. A relative source is
	// relative to the file.
	AllowedPaths []string  `yaml:"allowed_paths"`
	EnvVars      variables `yaml:"env_vars"`

	Security struct {
		AllowNetwork    bool       `yaml:"allow_network"`
		AllowSubprocess bool       `yaml:"allow_subprocess"`
		FSReadonly      bool       `yaml:"fs_readonly"`
		AllowClock      permission `yaml:"allow_clock"`
		AllowRandom     permission `yaml:"allow_random"`
	} `yaml:"security"`
}

// variables are a mapping of names to values, or a list of NAME=value and NAME.
type variables []string

// UnmarshalYAML reads either form.
func (v *variables) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]string)(v))
	}
	values := map[string]string{}
	if err := node.Decode(&values); err != nil {
		return err
	}
	for name, value := range values {
		*v = append(*v, name+"="+value)
	}
	slices.Sort(*v)
	return nil
}

// permission is true, false, or a word for what is between. The zero value is true.
type permission string

// UnmarshalYAML reads any scalar.
func (p *permission) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("it takes true, false or a word")
	}
	*p = permission(node.Value)
	return nil
}

// narrow adds to limits what the permission withholds: all of it is off, or as the words have it.
func (p permission) narrow(l *runtime.Limits, capability, withheld string) error {
	switch p {
	case "", "true", "on":
		return nil
	case "false":
		p = permission(withheld)
	}
	if l.ParseLimit(capability+"="+string(p)) != nil {
		return fmt.Errorf("allow_%s: %q is neither true, false, %s nor off", capability, string(p), withheld)
	}
	return nil
}

// configuration is what a configuration file grants, in the words of the flags.
type configuration struct {
	limits   runtime.Limits
	grace    time.Duration
	seed     *uint64
	env      []string
	volumes  []string
	warnings []string
}

// configuration reads the file that is named, else boxer.yaml in the working directory if there is one. A file that was only
// found may grant no more than what lies beside it: whoever unpacks or clones a directory has not agreed to what is in it.
func (a *app) configuration(name string) (*configuration, error) {
	file, found := name, false
	if name == "" {
		if _, err := os.Lstat(configName); errors.Is(err, fs.ErrNotExist) {
			return &configuration{}, nil
		}
		file, found = configName, true
	}
	c, err := readConfiguration(file, found)
	if err != nil {
		return nil, err
	}
	for _, text := range c.warnings {
		a.warn(fmt.Errorf("%s: %s", file, text))
	}
	return c, nil
}

func readConfiguration(name string, found bool) (*configuration, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	parsed, err := parseConfiguration(name, data)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	c, err := parsed.WASI.configuration(dir)
	if err == nil && found {
		err = parsed.WASI.harmless(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// parseConfiguration reads what is in the file of that name.
func parseConfiguration(name string, data []byte) (*configFile, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s: the file is too large", name)
	}
	parsed := &configFile{}
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithUniqueKeys())
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := loader.Load(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, placed(name, err)
	}
	if err := loader.Load(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it holds more than one document", name)
	}
	if err := checkKeys(name, "", &document, reflect.TypeFor[configFile]()); err != nil {
		return nil, err
	}
	if err := document.Decode(parsed); document.Kind != 0 && err != nil {
		return nil, placed(name, err)
	}
	return parsed, nil
}

// checkKeys refuses keys that a structure does not have. Where one of its own is spelled much the same, that is the hint.
func checkKeys(name, within string, node *yaml.Node, structure reflect.Type) error {
	if node.Kind == yaml.DocumentNode {
		node = node.Content[0]
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode || structure.Kind() != reflect.Struct {
		return nil
	}
	fields := map[string]reflect.Type{}
	for i := range structure.NumField() {
		fields[structure.Field(i).Tag.Get("yaml")] = structure.Field(i).Type
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		field, known := fields[key.Value]
		if !known {
			return unknownKey(name, within, key, slices.Sorted(maps.Keys(fields)))
		}
		if err := checkKeys(name, key.Value, node.Content[i+1], field); err != nil {
			return err
		}
	}
	return nil
}

func unknownKey(name, within string, key *yaml.Node, known []string) error {
	where := "at the top"
	if within != "" {
		where = "in " + within
	}
	err := fmt.Errorf("%s:%d: there is no %q %s", name, key.Line, key.Value, where)
	similar := &cobra.Command{SuggestionsMinimumDistance: 3}
	for _, k := range known {
		similar.AddCommand(&cobra.Command{Use: k, Run: func(*cobra.Command, []string) {}})
	}
	if found := similar.SuggestionsFor(key.Value); len(found) > 0 {
		return withHint(err, "did you mean %s?", strings.Join(found, " or "))
	}
	return withHint(err, "there are %s", strings.Join(known, ", "))
}

var yamlPlace = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^.*?\bline (\d+)(?:, column \d+)?: (.*)$`)
})

// placed is an error of the yaml package with its place as compilers give it.
func placed(name string, err error) error {
	if place := yamlPlace().FindStringSubmatch(err.Error()); place != nil {
		return fmt.Errorf("%s:%s: %s", name, place[1], place[2])
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (w *wasiConfig) configuration(dir string) (*configuration, error) {
	if w.Security.AllowNetwork {
		return nil, withHint(errors.New("allow_network: boxes have no network yet"), "leave the line out, or say false")
	}
	c := &configuration{env: w.EnvVars, seed: w.Seed}
	var err error
	if w.GraceMS != nil {
		if *w.GraceMS < 0 || *w.GraceMS > math.MaxInt64/int64(time.Millisecond) {
			return nil, fmt.Errorf("grace_ms: %d is no time", *w.GraceMS)
		}
		c.grace = time.Duration(*w.GraceMS) * time.Millisecond
	}
	if c.limits, err = w.limits(); err != nil {
		return nil, err
	}
	for _, spec := range w.AllowedPaths {
		spec, err := absoluteVolume(dir, spec)
		if err != nil {
			return nil, fmt.Errorf("allowed_paths: %w", err)
		}
		c.volumes = append(c.volumes, spec)
	}
	if w.Security.AllowSubprocess {
		c.warnings = append(c.warnings, "allow_subprocess: a box is one process, so that there is nothing to allow")
	}
	return c, nil
}

func (w *wasiConfig) limits() (runtime.Limits, error) {
	l := runtime.Limits{ReadOnly: w.Security.FSReadonly, Deterministic: w.Deterministic, SeededRandom: w.Seed != nil}
	if err := w.Security.AllowClock.narrow(&l, "clock", "fixed"); err != nil {
		return l, err
	}
	if err := w.Security.AllowRandom.narrow(&l, "random", "seeded"); err != nil {
		return l, err
	}
	const millisecond = int64(time.Millisecond)
	for _, n := range []struct {
		key   string
		value *int64
		unit  int64
		field *int64
	}{
		{"memory_limit_bytes", w.MemoryLimitBytes, 1, &l.Memory},
		{"max_fuel", w.MaxFuel, 1, &l.Fuel},
		{"execution_timeout_ms", w.ExecutionTimeoutMS, millisecond, (*int64)(&l.Timeout)},
		{"cpu_time_ms", w.CPUTimeMS, millisecond, (*int64)(&l.CPU)},
		{"max_output_bytes", w.MaxOutputBytes, 1, &l.Output},
		{"max_writable_bytes", w.MaxWritableBytes, 1, &l.Writable},
		{"max_files", w.MaxFiles, 1, &l.Files},
		{"max_open_files", w.MaxOpenFiles, 1, &l.OpenFiles},
	} {
		switch {
		case n.value == nil:
		case *n.value <= 0 || *n.value > (1<<63-1)/n.unit:
			return l, fmt.Errorf("%s: %d is no limit; leave the line out for none", n.key, *n.value)
		default:
			*n.field = *n.value * n.unit
		}
	}
	return l, nil
}

// absoluteVolume makes a path of allowed_paths an argument of -v.
func absoluteVolume(dir, spec string) (string, error) {
	drive := filepath.VolumeName(spec)
	source, rest, mapped := strings.Cut(spec[len(drive):], ":")
	source = drive + source
	if source == "" {
		return "", errors.New("an empty path")
	}
	if !mapped {
		rest = filepath.ToSlash(source)
		if !path.IsAbs(rest) {
			return "", fmt.Errorf("%q is not absolute: write SOURCE:PATH, PATH being where it is in the box", spec)
		}
	}
	if mapped && !isHostPath(source) {
		return spec, nil // a named volume
	}
	if !filepath.IsAbs(source) {
		source = filepath.Join(dir, source)
	}
	return source + ":" + rest, nil
}

// harmless refuses what a file that nobody named must not grant.
func (w *wasiConfig) harmless(dir string) error {
	refuse := func(what string) error {
		return withHint(fmt.Errorf("%s is granted only by a file that is named", what), "if you agree with what it grants: boxer run --config %s", configName)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for _, spec := range w.AllowedPaths {
		spec, err := absoluteVolume(dir, spec)
		if err != nil {
			return err
		}
		drive := filepath.VolumeName(spec)
		source, _, _ := strings.Cut(spec[len(drive):], ":")
		if source = drive + source; !isHostPath(source) {
			return refuse("the named volume " + source)
		}
		if target, err := filepath.EvalSymlinks(source); err == nil {
			source = target
		}
		inside, err := filepath.Rel(real, source)
		if err != nil || !filepath.IsLocal(inside) {
			return refuse(source + ", which is outside of its directory,")
		}
	}
	limits, err := w.limits()
	if err != nil {
		return err
	}
	if limits = limits.Or(defaultLimits); limits.Narrow(defaultLimits) != limits {
		return refuse(fmt.Sprintf("more than the usual limits (%s)", defaultLimits))
	}
	for _, variable := range w.EnvVars {
		if !strings.Contains(variable, "=") {
			return refuse("your variable " + variable)
		}
	}
	return nil
}
