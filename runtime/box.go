package runtime

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime/capability"
	"boxer.dev/vfs"
)

// Box is an image ready to run: its tree and what its configuration says about running it. It is safe for concurrent
// use: each run has a tree of its own.
type Box struct {
	engine  *Engine
	tree    *vfs.FS
	config  v1.Config
	env     []string              // of config, each name once
	diffIDs map[*vfs.Layer]string // of the layers below tree, as far as they are known

	requests capability.Requests // of its Boxfile: LIMIT and ALLOW

	layers   int  // how many there are below tree
	pristine bool // tree is what they make it
	images   images
	programs programs

	complete map[metering]bool // all of its programs have been prepared; guarded by the engine's mutex
}

// Load makes a box of an image's opened layers, which must stay open as long as the box is used.
func (e *Engine) Load(root *oci.Rootfs) (*Box, error) {
	b := &Box{engine: e, tree: root.FS(), diffIDs: map[*vfs.Layer]string{}, layers: len(root.Layers), pristine: true}
	if err := makeTmp(b.tree); err != nil {
		return nil, err
	}
	if root.Config == nil {
		return b, nil
	}
	if err := b.configure(root.Config.Config); err != nil {
		return nil, err
	}
	for i, id := range root.Config.RootFS.DiffIDs[:min(len(root.Layers), len(root.Config.RootFS.DiffIDs))] {
		b.diffIDs[root.Layers[i]] = id.String()
	}
	return b, nil
}

// NewBox makes a box of a tree and the configuration that goes with it. The box runs on forks of the tree as it is now.
func (e *Engine) NewBox(tree *vfs.FS, config v1.Config) (*Box, error) {
	b := &Box{engine: e, tree: tree.Fork(), layers: len(tree.Layers())}
	if err := b.configure(config); err != nil {
		return nil, err
	}
	return b, makeTmp(b.tree)
}

// configure takes what a configuration says, which may be anything.
func (b *Box) configure(config v1.Config) (err error) {
	b.config, b.env = config, mergedEnv(config.Env)
	b.requests, err = capability.FromLabels(config.Labels)
	return err
}

// makeTmp makes the directory that every program believes in, as old as can be: runs of equal boxes are equal.
func makeTmp(tree *vfs.FS) error {
	err := tree.Mkdir("/tmp", 0o777)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, tree.Chmod("/tmp", 0o777|fs.ModeSticky), tree.Chtimes("/tmp", time.Unix(0, 0), time.Unix(0, 0)))
}

var errNoCommand error = noCommandError{}

type noCommandError struct{}

func (noCommandError) Error() string {
	return "no command: neither the box nor the command line names a program"
}

// Hint names a program that every box has.
func (noCommandError) Hint() string {
	return "name a program after the box; every box has a shell: `boxer run -it BOX sh`"
}

// argv is the command line of a run, by Docker's rules and the one for arguments that start with '-' (see Cmd.Args).
func (b *Box) argv(c *Cmd) ([]string, error) {
	entrypoint, cmd := b.config.Entrypoint, b.config.Cmd
	if c.Entrypoint != nil {
		entrypoint, cmd = c.Entrypoint, nil
	}
	switch {
	case len(c.Args) == 0:
	case len(entrypoint) == 0 && len(cmd) > 0 && strings.HasPrefix(c.Args[0], "-"):
		cmd = append([]string{cmd[0]}, c.Args...)
	default:
		cmd = c.Args
	}
	argv := slices.Concat(entrypoint, cmd)
	if len(argv) == 0 {
		return nil, errNoCommand
	}
	return argv, nil
}

// environ is the image's environment with the run's over it. It must not be written to.
func (b *Box) environ(c *Cmd) []string {
	if len(c.Env) == 0 {
		return slices.Clip(b.env)
	}
	return mergedEnv(slices.Concat(b.env, c.Env))
}

// mergedEnv leaves one entry for each name, where the name first stood, as it was last.
func mergedEnv(variables []string) []string {
	env := make([]string, 0, len(variables))
	at := map[string]int{}
	for _, variable := range variables {
		name, _, _ := strings.Cut(variable, "=")
		if i, ok := at[name]; ok {
			env[i] = variable
			continue
		}
		at[name] = len(env)
		env = append(env, variable)
	}
	return env
}

// dir is the working directory of a run.
func (b *Box) dir(c *Cmd) string { return c.DirIn(b.config) }

// DirIn is the working directory in a box with that configuration.
func (c *Cmd) DirIn(config v1.Config) string {
	dir := path.Join("/", config.WorkingDir)
	switch {
	case path.IsAbs(c.Dir):
		return path.Clean(c.Dir)
	case c.Dir != "":
		return path.Join(dir, c.Dir)
	}
	return dir
}

func (b *Box) user(c *Cmd) string {
	if c.User != "" {
		return c.User
	}
	return b.config.User
}
