package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"boxer.dev/builder"
)

// converter knows what the instructions so far have made.
type converter struct {
	Options
	escape rune
	nodes  []*parser.Node
	args   arguments // of ARG before the first FROM
	stages []*stageState

	*stageState     // the present one
	froms       int // FROM so far
	total       int // FROM in the file
}

// stageState is what is known of a stage.
type stageState struct {
	name   string
	lost   bool              // it cannot be built
	python bool              // it has a Python
	venvs  []string          // directories of virtual environments, which are none
	users  map[string]string // name to number, of users that RUN makes
}

func newStage(name string) *stageState { return &stageState{name: name, users: map[string]string{}} }

func newConverter(o Options, parsed *parser.Result) *converter {
	c := &converter{Options: o, escape: parsed.EscapeToken, nodes: parsed.AST.Children, stageState: newStage("")}
	for _, node := range c.nodes {
		if strings.EqualFold(node.Value, "from") {
			c.total++
		}
	}
	return c
}

// arguments are variables to expand words with; it is shell.EnvGetter.
type arguments map[string]string

func (a arguments) Get(key string) (string, bool) { value, ok := a[key]; return value, ok }
func (a arguments) Keys() (keys []string) {
	for key := range a {
		keys = append(keys, key)
	}
	return keys
}

func (c *converter) arg(i *instructions.ArgCommand) {
	if c.froms > 0 {
		return
	}
	if c.args == nil {
		c.args = arguments{}
	}
	for _, arg := range i.Args {
		if arg.Value != nil {
			c.args[arg.Key] = c.expand(*arg.Value)
		}
	}
}

func (c *converter) expand(word string) string {
	expanded, _, err := shell.NewLex(c.escape).ProcessWord(word, c.args)
	if err != nil {
		return word
	}
	return expanded
}

// source is an instruction's text on one line, as near to the original as it can be had.
func (c *converter) source(node *parser.Node) string {
	text := strings.TrimSpace(node.Original)
	for _, doc := range node.Heredocs {
		text += "\n" + doc.Content + doc.Name
	}
	return text
}

// foreign are bases that boxer has nothing in the place of: programs for Linux.
var foreign = strings.Fields("node golang rust ruby php openjdk eclipse-temurin amazoncorretto maven gradle dotnet mono perl elixir erlang " +
	"swift gcc haskell julia r-base nginx httpd caddy traefik redis postgres mysql mariadb mongo rabbitmq memcached elasticsearch " +
	"tomcat wordpress jenkins docker bun deno oven nvidia centos fedora rockylinux almalinux amazonlinux archlinux opensuse")

// pythonBases are whose images have a Python and more.
var pythonBases = strings.Fields("pypy jupyter quay.io/jupyter pytorch tensorflow continuumio condaforge mambaorg tiangolo gcr.io/distroless/python3")

// isOf tells whether an image is one of those named, or of their owner.
func isOf(repository string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return strings.HasPrefix(repository, name) && strings.Trim(repository[len(name):], "-debian0123456789") == "" || strings.HasPrefix(repository, name+"/")
	})
}

func (c *converter) from(node *parser.Node, i *instructions.Stage, f *finding) {
	c.froms++
	base := c.expand(i.BaseName)
	name := i.Name
	c.stageState = newStage(name)
	c.stages = append(c.stages, c.stageState)
	if i.Platform != "" {
		f.found(Differs, "there is one platform, wasip1/wasm")
	}
	if parent, ok := c.stage(i.BaseName, len(c.stages)-1); ok {
		c.python, c.venvs, c.users = parent.python, parent.venvs, parent.users
		if parent.lost {
			c.loseStage(f, "it begins with a stage that boxer cannot build")
		}
		c.setFrom(f, i, i.BaseName)
		return
	}
	switch wanted, why := c.base(base); {
	case wanted == "":
		c.loseStage(f, why)
	case wanted != base:
		f.found(Differs, "%s: %s", wanted, why)
		c.setFrom(f, i, wanted)
	default:
		if why != "" {
			f.found(Differs, "%s", why)
		}
		c.setFrom(f, i, i.BaseName)
	}
}

// base is what stands for a base in a box, and why; "" if nothing does.
func (c *converter) base(ref string) (wanted, why string) {
	repository, tag := splitTag(ref)
	short := strings.TrimPrefix(strings.TrimPrefix(repository, "docker.io/"), "library/")
	switch {
	case short == "python":
		c.python = true
		if _, _, err := builder.Substitute(joinTag(short, tag), c.Python); err == nil && short == repository {
			return ref, ""
		}
		version, _, _ := strings.Cut(tag, "-")
		if strings.HasPrefix(version, "2") {
			return "", "there is no Python 2; see https://docs.python.org/3/howto/pyporting.html"
		}
		return "python:" + minor(c.Python), "boxer's Python is " + c.Python
	case builder.IsBuiltIn(short) && short != "scratch":
		if c.installsPython() {
			c.python = true
			return "python:" + minor(c.Python), "the base that has Python; there is none to install"
		}
		return joinTag(short, tag), "a minimal root: none of its Linux programs"
	case short == "scratch":
		return ref, ""
	case isOf(short, pythonBases):
		c.python = true
		return "python:" + minor(c.Python), "boxer's own Python, without what that image has besides"
	case strings.HasPrefix(short, "gcr.io/distroless/"):
		return "debian", "a minimal root: none of its Linux programs"
	case isOf(short, foreign):
		return "", "boxer has no base " + short + ": its programs are for Linux"
	}
	return ref, "only if the local store has a box of that name (`boxer images`); a Linux image will not do"
}

var installedPython = grammar(`\b(apt|apt-get|apk|dnf|yum|microdnf)\b[^&;|]*\b(install|add)\b[^&;|]*\bpython3?\b`)

// installsPython looks ahead for a package manager that installs Python in this stage.
func (c *converter) installsPython() bool {
	n := 0
	for _, node := range c.nodes {
		if strings.EqualFold(node.Value, "from") {
			n++
		}
		if n == c.froms && strings.EqualFold(node.Value, "run") && installedPython().MatchString(node.Original) {
			return true
		}
	}
	return false
}

// loseStage gives a stage up. One that others copy from can be built by docker; the last one has to begin with something.
func (c *converter) loseStage(f *finding, why string) {
	f.found(No, "%s", why)
	if c.froms == c.total {
		f.found(No, "as the box's own base it is replaced by scratch: COPY WebAssembly programs in")
		f.text = "FROM scratch"
		return
	}
	name := cmp.Or(c.name, strconv.Itoa(c.froms-1))
	f.found(No, "build the stage with docker and hand its files over: docker build --target %s -o %s . && boxer build --build-context %s=%s .", name, name, name, name)
	c.lost = true
	f.drop = true
}

// setFrom writes FROM anew if it is not what it was.
func (c *converter) setFrom(f *finding, i *instructions.Stage, base string) {
	if f.drop || f.text != "" {
		if f.text != "" && i.Name != "" {
			f.text += " AS " + i.Name
		}
		return
	}
	if base == i.BaseName && i.Platform == "" {
		return
	}
	f.text = "FROM " + base
	if i.Name != "" {
		f.text += " AS " + i.Name
	}
}

// stage finds one of the first n stages by its name or number.
func (c *converter) stage(name string, n int) (*stageState, bool) {
	for i, s := range c.stages[:n] {
		if s.name != "" && strings.EqualFold(s.name, name) || strconv.Itoa(i) == name {
			return s, true
		}
	}
	return nil, false
}

func splitTag(ref string) (repository, tag string) {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

func joinTag(repository, tag string) string {
	if tag == "" {
		return repository
	}
	return repository + ":" + tag
}

// minor is the first two numbers of a version.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func (c *converter) copy(node *parser.Node, i *instructions.CopyCommand, f *finding) {
	if i.From != "" {
		c.copyFrom(node, i, f)
	}
	c.otherPython(node, f)
}

func (c *converter) copyFrom(node *parser.Node, i *instructions.CopyCommand, f *finding) {
	if s, ok := c.stage(i.From, len(c.stages)-1); ok {
		if s.lost {
			name := i.From
			f.found(Differs, "from the files that docker built: --build-context %s=DIR; programs among them must be WebAssembly", name)
		}
		c.copyVenv(node, i, s, f)
		return
	}
	switch image, _ := splitTag(i.From); {
	case builder.IsBuiltIn(image):
	case strings.HasSuffix(image, "/uv") || isOf(image, foreign):
		f.found(No, "%s has programs for Linux", i.From)
		f.drop = true
	default:
		f.found(Differs, "only if the local store has a box %s, or --build-context %s=DIR", i.From, i.From)
	}
}

// copyVenv copies installed packages where a virtual environment was to be copied.
func (c *converter) copyVenv(node *parser.Node, i *instructions.CopyCommand, from *stageState, f *finding) {
	if len(i.SourcePaths) != 1 || !slices.Contains(from.venvs, strings.TrimSuffix(i.SourcePaths[0], "/")) {
		return
	}
	site := "/usr/local/lib/python" + minor(c.Python) + "/site-packages"
	f.found(Differs, "there are no virtual environments in a box, so the packages themselves are copied")
	f.text = fmt.Sprintf("COPY --from=%s %s %s\nCOPY --from=%s /usr/local/bin /usr/local/bin", i.From, site, site, i.From)
}

// env warns of variables that cost the fast start.
func (c *converter) env(node *parser.Node, i *instructions.EnvCommand, f *finding) {
	var early []string
	for _, kv := range i.Env {
		if strings.HasPrefix(kv.Key, "PYTHON") && kv.Key != "PYTHONPATH" {
			early = append(early, kv.Key)
		}
	}
	if len(early) > 0 {
		f.found(Differs, "%s counts before Python starts, so that each start is a full one: leave it out, or end with SNAPSHOT", strings.Join(early, ", "))
	}
	c.otherPython(node, f)
}

var pythonVersion = grammar(`\bpython3\.[0-9]+\b`)

// otherPython puts boxer's version of Python into paths that have another.
func (c *converter) otherPython(node *parser.Node, f *finding) {
	text := cmp.Or(f.text, c.source(node))
	ours := "python" + minor(c.Python)
	if changed := pythonVersion().ReplaceAllString(text, ours); changed != text && !f.drop {
		f.found(Differs, "paths are those of %s", ours)
		f.text = changed
	}
}
