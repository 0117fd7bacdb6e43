package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"sync"

	"boxer.dev/vfs"
)

// secretDir is where secrets are mounted that have no target.
const secretDir = "/run/secrets"

// nameSecret completes what a Boxfile says of a secret. One that goes into a variable alone keeps an empty target.
func (s *stage) nameSecret(m *mount) error {
	if m.Source != "" {
		m.CacheID = m.Source
	}
	if m.CacheID == "" {
		m.CacheID = path.Base(path.Clean(m.Target))
	}
	if m.CacheID == "" || m.CacheID == "." || m.CacheID == "/" {
		return errors.New("--mount=type=secret: it has neither id nor target")
	}
	if m.Target == "" && m.Env == nil {
		m.Target = path.Join(secretDir, path.Base(m.CacheID))
	}
	if m.Env != nil && *m.Env == "" {
		m.Env = &m.CacheID
	}
	return nil
}

// prepareSecret mounts a secret in a file of its own, in memory.
func (s *stage) prepareSecret(m *mount) error {
	m.key = append(m.key, m.CacheID)
	if m.Env != nil {
		m.key = append(m.key, "env", *m.Env)
	}
	data, ok, err := s.build.secret(m.CacheID)
	m.key = append(m.key, strconv.FormatBool(ok)) // whether there is one is no secret
	switch {
	case err != nil:
		return fmt.Errorf("secret %s: %w", quote(m.CacheID), err)
	case !ok && m.Required:
		return withHint(fmt.Errorf("secret %s is required", quote(m.CacheID)), "give it to the build: --secret id=%s,src=FILE, or env=VARIABLE", printable(m.CacheID))
	case !ok:
		m.Env = nil
		s.warn(fmt.Sprintf("secret %s was not given: the command runs without it (--secret id=%s,src=FILE)", quote(m.CacheID), printable(m.CacheID)))
		return nil
	}
	m.secret = data
	if m.target == "" {
		return nil
	}
	mode, uid, gid := fs.FileMode(number(m.Mode, 0o400)), number(m.UID, 0), number(m.GID, 0)
	m.key = append(m.key, strconv.FormatUint(uint64(mode), 8), strconv.Itoa(int(uid)), strconv.Itoa(int(gid)))
	m.attach = s.attachSecret(m, data, attributes{mode: mode, uid: uid, gid: gid, mtime: s.build.epoch})
	return nil
}

// attachSecret makes the tree that holds a secret's file and nothing else.
func (s *stage) attachSecret(m *mount, data []byte, a attributes) func(context.Context) (vfs.Source, vfs.MountOptions, error) {
	return func(context.Context) (vfs.Source, vfs.MountOptions, error) {
		const name = "/secret"
		tree, err := s.memoryFiles(vfs.Limits{})
		if err == nil {
			err = tree.WriteFile(name, data, 0o600)
		}
		if err == nil {
			err = (&edit{tree: tree}).set(name, a)
		}
		return vfs.Subtree(tree, name), vfs.MountOptions{ReadOnly: true}, err
	}
}

func (b *build) secret(id string) (data []byte, ok bool, err error) {
	if b.opts.Secret == nil {
		return nil, false, nil
	}
	return b.opts.Secret(id)
}

// masked hides secrets from what is shown of a command's output. A secret may come in pieces: what could be the beginning of
// one is held back until more is known.
type masked struct {
	to      io.Writer
	secrets [][]byte

	lock sync.Mutex
	held []byte
}

// Secrets, or lines of them, that are shorter than these many bytes occur by chance. They are shown, and let pass in layers.
const (
	shortestMasked = 4
	shortestFound  = 8
)

const mask = "****"

// hide adds a secret, and each of its lines.
func (m *masked) hide(secret []byte) {
	m.secrets = append(m.secrets, secretParts(secret, shortestMasked)...)
}

// secretParts are a secret without the line end that files have, and its lines if there are several.
func secretParts(secret []byte, shortest int) (parts [][]byte) {
	whole := bytes.TrimRight(secret, "\r\n")
	lines := [][]byte{}
	if bytes.IndexByte(whole, '\n') >= 0 {
		lines = bytes.Split(whole, []byte("\n"))
	}
	for i, part := range append([][]byte{whole}, lines...) {
		part = bytes.TrimRight(part, "\r")
		if i > 0 {
			shortest = max(shortest, shortestFound) // a line is part of what is secret, and may be common
		}
		if len(part) >= shortest {
			parts = append(parts, part)
		}
	}
	return parts
}

func (m *masked) Write(p []byte) (int, error) {
	if len(m.secrets) == 0 {
		return m.to.Write(p)
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	text := slices.Concat(m.held, p)
	shown := make([]byte, 0, len(text))
	for len(text) > 0 && !m.begins(text) {
		if n := m.length(text); n > 0 {
			shown, text = append(shown, mask...), text[n:]
			continue
		}
		shown, text = append(shown, text[0]), text[1:]
	}
	m.held = text
	if len(shown) > 0 {
		if _, err := m.to.Write(shown); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// begins reports whether all of a text is the beginning of a secret, and no more.
func (m *masked) begins(text []byte) bool {
	return slices.ContainsFunc(m.secrets, func(secret []byte) bool {
		return len(text) < len(secret) && bytes.HasPrefix(secret, text)
	})
}

// length is that of the longest secret which a text begins with; 0: it begins with none.
func (m *masked) length(text []byte) (longest int) {
	for _, secret := range m.secrets {
		if len(secret) > longest && bytes.HasPrefix(text, secret) {
			longest = len(secret)
		}
	}
	return longest
}

// flush shows what was held back, in which a shorter secret may be.
func (m *masked) flush() error {
	m.lock.Lock()
	held := m.held
	m.held = nil
	m.lock.Unlock()
	for len(held) > 0 {
		shown, n := held[:1], 1
		if hidden := m.length(held); hidden > 0 {
			shown, n = []byte(mask), hidden
		}
		if _, err := m.to.Write(shown); err != nil {
			return err
		}
		held = held[n:]
	}
	return nil
}

// checkNoSecrets refuses a change that would put a secret into a layer.
func (s *stage) checkNoSecrets(e *edit, mounts []*mount) error {
	var changes []vfs.Change
	for _, m := range mounts {
		for _, part := range secretParts(m.secret, shortestFound) {
			if changes == nil {
				var err error
				if changes, err = vfs.Diff(e.before, e.tree); err != nil {
					return fmt.Errorf("comparing files: %w", err)
				}
			}
			for _, c := range changes {
				found, err := holds(c, part)
				if err != nil {
					return err
				}
				if found {
					return withHint(fmt.Errorf("%s would hold secret %s, and with it the layer", quote("/"+string(bytes.ReplaceAll([]byte(c.Path), part, []byte(mask)))), quote(m.CacheID)),
						"let the command remove it again, or keep it from writing it")
				}
			}
		}
	}
	return nil
}

// holds reports whether an entry of a layer has some bytes in it, or in its name.
func holds(c vfs.Change, part []byte) (bool, error) {
	if bytes.Contains([]byte(c.Path), part) || bytes.Contains([]byte(c.Symlink), part) {
		return true, nil
	}
	if !c.Mode.IsRegular() || c.Whiteout || c.HardLink != "" || c.Size < int64(len(part)) {
		return false, nil
	}
	r, err := c.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	window := make([]byte, 0, 64<<10+len(part))
	for {
		n, err := io.ReadFull(r, window[len(window):cap(window)])
		window = window[:len(window)+n]
		if bytes.Contains(window, part) {
			return true, nil
		}
		if atEnd(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		window = append(window[:0], window[len(window)-len(part)+1:]...)
	}
}
