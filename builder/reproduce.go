package builder

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Attempt is all that a command of RUN was given, for whoever wants to run it again.
type Attempt struct {
	Box    v1.Image // as it was before the command, with its directory and its user
	Env    []string // besides those of the box; no secrets
	Mounts []AttemptMount
}

// AttemptMount is one mount of a command.
type AttemptMount struct {
	Type     string // bind, cache, tmpfs, secret
	Target   string // empty for a secret that is a variable only
	Host     string // path of the files on the host; empty: they have none
	ReadOnly bool
	Secret   string // its id
	Variable string // that holds the secret; empty: none
}

// attempt gives nil where the box cannot be had: the failure itself is what there is to tell.
func (s *stage) attempt(env environment, mounts []*mount) *Attempt {
	box, err := s.image()
	if err != nil {
		return nil
	}
	a := &Attempt{Box: box}
	for _, variable := range env {
		if !slices.Contains(s.config.Env, variable) && !needless(variable) {
			a.Env = append(a.Env, variable)
		}
	}
	for _, m := range mounts {
		shown := AttemptMount{Type: string(m.Type), Target: m.target, Host: m.host, ReadOnly: m.ReadOnly}
		if m.Type == instructions.MountTypeSecret {
			if m.secret == nil {
				continue
			}
			shown.Secret = m.CacheID
			if m.Env != nil {
				shown.Variable = *m.Env
			}
		}
		a.Mounts = append(a.Mounts, shown)
	}
	return a
}

// needless tells variables that are not worth passing on: those that often hold a password, and have no use where there is no
// network, and that of the build's clock.
func needless(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return name == epochArg || slices.Contains(proxyArgs, name)
}
