package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"boxer.dev/vfs"
)

// RUN --mount, as docker build has it (https://docs.docker.com/reference/dockerfile/#run---mount). What is mounted is never
// part of a tree, so that no layer can hold it, and no directory is left where it was, as with BuildKit. A step is known by
// what it may read of files (bind), by the name alone of what comes and goes (cache), and not at all by what nobody is to
// know (secret).

// CacheMountRequest names a directory of RUN --mount=type=cache.
type CacheMountRequest struct {
	ID      string // of any characters
	Sharing CacheSharing
}

// CacheSharing says what becomes of a cache mount that several commands ask for at the same time.
type CacheSharing int

const (
	CacheShared  CacheSharing = iota // all get it
	CachePrivate                     // each gets one of its own
	CacheLocked                      // one after the other
)

// CacheMount is a directory that outlives the build.
type CacheMount struct {
	Root  *os.Root
	New   bool         // it was made just now, and is empty
	Close func() error // lets go of it
}

// mount is one mount of a RUN.
type mount struct {
	instructions.Mount
	target string // absolute
	key    []string
	// attach gives what is mounted. Until then nothing has been touched that another build could want.
	attach  func(ctx context.Context) (vfs.Source, vfs.MountOptions, error)
	host    string // the path on the host of what is mounted; empty: it has none
	release func() error
	secret  []byte
}

// mounting is what a RUN has mounted while it runs.
type mounting struct {
	tree    *vfs.FS
	at      []string
	cleanup []func() error
}

func (m *mounting) close() error {
	// One that lies in another goes first. Its path is the longer one.
	slices.SortFunc(m.at, func(a, b string) int { return len(b) - len(a) })
	var errs []error
	for _, at := range m.at {
		errs = append(errs, m.tree.Unmount(at))
	}
	return errors.Join(append(errs, closeAll(m.cleanup))...)
}

// mounts finds what a RUN is to have mounted.
func (s *stage) mounts(ctx context.Context, c *instructions.RunCommand) ([]*mount, error) {
	var mounts []*mount
	taken := map[string]bool{}
	for _, parsed := range instructions.GetMounts(c) {
		m := &mount{Mount: *parsed}
		if m.Type == instructions.MountTypeSSH {
			return nil, withHint(errors.New("--mount=type=ssh is not supported"),
				"a build has no network to use a key on; a key that a command needs as a file is a secret: --mount=type=secret,id=NAME")
		}
		if m.Type == instructions.MountTypeSecret {
			if err := s.nameSecret(m); err != nil {
				return nil, err
			}
		}
		if m.Target != "" || m.Type != instructions.MountTypeSecret {
			m.target = s.inWorkdir(m.Target)
		}
		if m.target == "/" {
			return nil, withHint(errors.New("--mount cannot cover the root directory"), "give it a target=, such as target=/mnt")
		}
		if taken[m.target] {
			return nil, fmt.Errorf("--mount: two of them have the target %s", quote(m.target))
		}
		taken[m.target] = m.target != ""
		if err := s.prepareMount(ctx, m); err != nil {
			return nil, fmt.Errorf("--mount=type=%s: %w", m.Type, err)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

func (s *stage) prepareMount(ctx context.Context, m *mount) error {
	m.key = []string{string(m.Type), m.target, strconv.FormatBool(m.ReadOnly)}
	switch m.Type {
	case instructions.MountTypeBind:
		return s.prepareBind(ctx, m)
	case instructions.MountTypeCache:
		return s.prepareCache(ctx, m)
	case instructions.MountTypeTmpfs:
		m.key = append(m.key, strconv.FormatInt(m.SizeLimit, 10))
		m.attach = s.attachTmpfs(m)
		return nil
	case instructions.MountTypeSecret:
		return s.prepareSecret(m)
	}
	return errors.New("unknown type")
}

// prepareBind mounts files of the context, or of another stage or image. What is written to them is dropped.
func (s *stage) prepareBind(ctx context.Context, m *mount) error {
	files, err := s.mountSource(ctx, m)
	if err != nil {
		return err
	}
	return m.bind(ctx, files)
}

func (m *mount) bind(ctx context.Context, files *mountFiles) error {
	digest, err := files.digest(ctx)
	if err != nil {
		return err
	}
	m.key = append(m.key, digest)
	m.attach = func(ctx context.Context) (vfs.Source, vfs.MountOptions, error) {
		tree, name, err := files.tree(ctx)
		return vfs.Subtree(tree, name), vfs.MountOptions{ReadOnly: m.ReadOnly}, err
	}
	return nil
}

// mountSource finds the files that from= and source= name.
func (s *stage) mountSource(ctx context.Context, m *mount) (*mountFiles, error) {
	literal := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(m.Source)
	c := &copying{stage: s, what: instructions.SourcesAndDest{SourcePaths: []string{cmp.Or(literal, ".")}}, isDir: true, dest: "/"}
	switch m.From {
	case "":
		if err := c.useContext(c.what.SourcePaths); err != nil {
			return nil, err
		}
		m.host = filepath.Join(s.build.opts.Context.Name(), filepath.FromSlash(path.Join("/", m.Source)))
	case "scratch":
		c.from = boxTree{fs: vfs.New(), name: m.From}
	default:
		if err := c.useStage(ctx, m.From); err != nil {
			return nil, err
		}
	}
	return &mountFiles{c}, nil
}

func (s *stage) attachTmpfs(m *mount) func(context.Context) (vfs.Source, vfs.MountOptions, error) {
	return func(context.Context) (vfs.Source, vfs.MountOptions, error) {
		tree, err := s.memoryFiles(vfs.Limits{Bytes: m.SizeLimit})
		if err == nil {
			err = tree.Chmod("/", 0o777|fs.ModeSticky) // tmpfs(5)
		}
		return vfs.Subtree(tree, "/"), vfs.MountOptions{ReadOnly: m.ReadOnly}, err
	}
}

// memoryFiles is an empty tree.
func (s *stage) memoryFiles(limits vfs.Limits) (*vfs.FS, error) {
	tree, epoch := vfs.New(), s.build.epoch
	tree.Configure(vfs.Config{Now: func() time.Time { return epoch }, Limits: limits})
	return tree, tree.Chtimes("/", epoch, epoch)
}

// prepareCache mounts a directory that outlives the build. One that is new begins with the files that from= and source= name.
func (s *stage) prepareCache(ctx context.Context, m *mount) error {
	if s.build.opts.CacheMount == nil {
		return errors.New("this build has no place to keep them")
	}
	if m.CacheID == "" {
		m.CacheID = path.Clean(m.Target)
	}
	var first *mountFiles // of a new cache
	if m.From != "" {
		var err error
		if first, err = s.mountSource(ctx, m); err != nil {
			return err
		}
	}
	owner := &vfs.Owner{UID: number(m.UID, 0), GID: number(m.GID, 0)}
	m.key = append(m.key, m.CacheID, string(m.CacheSharing), m.From, m.Source, fmt.Sprint(*owner))
	m.attach = func(ctx context.Context) (vfs.Source, vfs.MountOptions, error) {
		options := vfs.MountOptions{ReadOnly: m.ReadOnly, Owner: owner}
		cache, err := s.build.opts.CacheMount(ctx, CacheMountRequest{ID: m.CacheID, Sharing: cacheSharing(m.CacheSharing)})
		if err != nil {
			return nil, options, err
		}
		m.host = cache.Root.Name()
		m.release = cache.Close
		if cache.New {
			err = fillCache(ctx, cache.Root, fs.FileMode(number(m.Mode, 0o755)), first)
		}
		return vfs.HostDir(cache.Root, m.ReadOnly), options, err
	}
	return nil
}

func cacheSharing(mode instructions.ShareMode) CacheSharing {
	switch mode {
	case instructions.MountSharingPrivate:
		return CachePrivate
	case instructions.MountSharingLocked:
		return CacheLocked
	}
	return CacheShared
}

// fillCache gives a new cache its mode and its first files.
func fillCache(ctx context.Context, root *os.Root, mode fs.FileMode, first *mountFiles) error {
	if err := root.Chmod(".", mode&fs.ModePerm); err != nil || first == nil {
		return err
	}
	from, name, err := first.tree(ctx)
	if err != nil {
		return err
	}
	to := vfs.New()
	if err := to.Mount("/", vfs.HostDir(root, false), vfs.MountOptions{Owner: &vfs.Owner{}}); err != nil {
		return err
	}
	return copyFiles(to, "/", from, name)
}

func number(n *uint64, otherwise uint32) uint32 {
	if n == nil {
		return otherwise
	}
	return uint32(*n)
}

// mountAll mounts what a RUN asks for on its tree.
func mountAll(ctx context.Context, tree *vfs.FS, mounts []*mount) (_ *mounting, err error) {
	done := &mounting{tree: tree}
	defer func() {
		if err != nil {
			err = errors.Join(err, done.close())
		}
	}()
	for _, m := range mounts {
		if m.attach == nil {
			continue
		}
		source, options, err := m.attach(ctx)
		if m.release != nil {
			done.cleanup = append(done.cleanup, m.release)
		}
		if err == nil {
			err = tree.Mount(m.target, source, options)
		}
		if err != nil {
			return done, fmt.Errorf("--mount=type=%s at %s: %w", m.Type, quote(m.target), bare(err))
		}
		done.at = append(done.at, m.target)
	}
	return done, nil
}
