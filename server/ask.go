package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"boxer.dev/runtime"
)

// content is bytes in JSON: text, or base64 where encoding says so.
type content struct {
	Content  string `json:"content"`
	Encoding string `json:"encoding,omitempty"`
}

const base64Encoding = "base64"

func newContent(b []byte) content {
	if utf8.Valid(b) {
		return content{Content: string(b)}
	}
	return content{base64.StdEncoding.EncodeToString(b), base64Encoding}
}

func (c content) bytes() ([]byte, error) {
	switch c.Encoding {
	case "", "utf-8":
		return []byte(c.Content), nil
	case base64Encoding:
		b, err := base64.StdEncoding.DecodeString(c.Content)
		if err != nil {
			return nil, badRequest("the content is no base64: %s", err)
		}
		return b, nil
	}
	return nil, badRequest("encoding %q is neither utf-8 nor base64", c.Encoding)
}

// boxFile is a file of a box in JSON.
type boxFile struct {
	Path string `json:"path"`
	content
}

// surroundings are what a run or a session is given.
type surroundings struct {
	Box           string            `json:"box"`
	Env           map[string]string `json:"env"`
	Dir           string            `json:"workdir"`
	Files         []boxFile         `json:"files"`
	Limits        limits            `json:"limits"`
	Seed          *uint64           `json:"seed"`
	Deterministic bool              `json:"deterministic"`
}

// runRequest is what POST /v1/runs takes.
type runRequest struct {
	surroundings
	ID            string   `json:"id"`
	Code          *string  `json:"code"`
	Args          []string `json:"argv"`
	Stdin         string   `json:"stdin"`
	StdinEncoding string   `json:"stdin_encoding"`
	Outputs       []string `json:"outputs"`
	Stream        bool     `json:"stream"`

	program module // to be run in a box of its own, in place of Box
}

// Bounds of what a request may list.
const (
	maxFiles    = 1000
	maxPatterns = 16
	maxPattern  = 256 // bytes
	maxEnv      = 1000
)

// limits narrow those of the server. In JSON they are an object: words of LIMIT ("timeout": "5s", "readonly": true) or the names
// of boxer.yaml ("execution_timeout_ms": 5000).
type limits struct{ runtime.Limits }

// plainLimits are the names of boxer.yaml whose values are numbers: the word of LIMIT, and the unit.
var plainLimits = map[string][2]string{
	"memory_limit_bytes": {"memory", ""}, "max_fuel": {"fuel", ""}, "execution_timeout_ms": {"timeout", "ms"}, "cpu_time_ms": {"cpu", "ms"},
	"max_output_bytes": {"output", ""}, "max_writable_bytes": {"writable", ""}, "max_files": {"files", ""}, "max_open_files": {"open-files", ""},
}

// UnmarshalJSON reads either kind of names.
func (l *limits) UnmarshalJSON(text []byte) error {
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		return badRequest("limits takes an object")
	}
	for name, value := range values {
		word, err := limitWord(name, value)
		if err == nil && word != "" {
			err = l.ParseLimit(word)
		}
		if err != nil {
			return badRequest("limits: %s", err)
		}
	}
	return nil
}

func limitWord(name string, value any) (string, error) {
	plain, isPlain := plainLimits[name]
	switch v := value.(type) {
	case float64:
		switch {
		case v != math.Trunc(v) || v < 1 || v >= 1<<53:
			return "", fmt.Errorf("%s: %v is no limit", name, v)
		case isPlain:
			return fmt.Sprintf("%s=%.0f%s", plain[0], v, plain[1]), nil
		}
		return fmt.Sprintf("%s=%.0f", name, v), nil
	case string:
		if !isPlain {
			return name + "=" + v, nil
		}
	case bool:
		switch {
		case isPlain:
		case name == "fs_readonly" && v:
			return "readonly", nil
		case v:
			return name, nil
		default:
			return "", nil
		}
	}
	return "", fmt.Errorf("%s does not take a value like that", name)
}

// within gives the limits of a run: those asked for, where there are any, and no wider than the server's.
func (l limits) within(most runtime.Limits) (runtime.Limits, error) {
	wanted := l.Or(most)
	if narrowed := wanted.Narrow(most); narrowed != wanted {
		return most, newProblem(http.StatusUnprocessableEntity, "beyond_limits", "this server's limits are %s", most)
	}
	return wanted, nil
}

// command is a run with these surroundings.
func (a *surroundings) command(most runtime.Limits) (_ *runtime.Cmd, err error) {
	c := &runtime.Cmd{Dir: a.Dir, Stats: new(runtime.Stats)}
	if c.Limits, err = a.Limits.within(most); err != nil {
		return nil, err
	}
	c.Limits.Deterministic = c.Limits.Deterministic || a.Deterministic
	if a.Seed != nil {
		if *a.Seed > math.MaxInt64 {
			return nil, badRequest("seed takes a number below 2^63")
		}
		c.Seed, c.Limits.SeededRandom = *a.Seed, true
	}
	if c.Env, err = variables(a.Env); err != nil {
		return nil, err
	}
	c.Files, err = files(a.Files)
	if strings.Contains(a.Dir, "\x00") {
		return nil, badRequest("workdir has a zero byte")
	}
	return c, err
}

func variables(named map[string]string) (env []string, err error) {
	if len(named) > maxEnv {
		return nil, badRequest("there are more than %d variables", maxEnv)
	}
	for name, value := range named {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return nil, badRequest("%q is no variable", name)
		}
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env, nil
}

func files(list []boxFile) (files []runtime.File, err error) {
	if len(list) > maxFiles {
		return nil, badRequest("there are more than %d files", maxFiles)
	}
	for _, f := range list {
		if path.Clean("/"+f.Path) == "/" || strings.Contains(f.Path, "\x00") {
			return nil, badRequest("%q is no path of a file", f.Path)
		}
		data, err := f.bytes()
		if err != nil {
			return nil, err
		}
		files = append(files, runtime.File{Path: f.Path, Data: data})
	}
	return files, nil
}

// command makes a run of a request.
func (a *runRequest) command(most runtime.Limits) (*runtime.Cmd, error) {
	c, err := a.surroundings.command(most)
	if err != nil {
		return nil, err
	}
	if a.ID != "" && !validID(a.ID) {
		return nil, badRequest("an id has up to %d letters, digits, - and _", maxID)
	}
	switch {
	case a.Code != nil && strings.Contains(*a.Code, "\x00"):
		return nil, badRequest("the code has a zero byte")
	case a.Code != nil:
		c.Entrypoint, c.Args = []string{}, append([]string{"python3", "-c", *a.Code}, a.Args...)
	default:
		c.Args = a.Args
	}
	if slices.ContainsFunc(c.Args, func(arg string) bool { return strings.Contains(arg, "\x00") }) {
		return nil, badRequest("an argument has a zero byte")
	}
	return c, a.collect(c)
}

// collect says what files are wanted.
func (a *runRequest) collect(c *runtime.Cmd) error {
	if len(a.Outputs) > maxPatterns {
		return badRequest("there are more than %d outputs", maxPatterns)
	}
	for _, pattern := range a.Outputs {
		if len(pattern) > maxPattern || pattern == "" || strings.Count(pattern, "**") > 1 || !validPattern(pattern) {
			return badRequest("outputs: %q is no pattern, too long, or has ** more than once", pattern)
		}
	}
	if len(a.Outputs) > 0 {
		c.Collect = &runtime.Collection{Patterns: a.Outputs}
	}
	return nil
}
