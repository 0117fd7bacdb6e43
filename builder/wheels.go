package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// WheelsDir is where RUN finds the packages of Options.Wheels.
const WheelsDir = "/run/wheels"

// tellOfWheels lets RUN know of the packages, in a way that its pip understands.
// https://pip.pypa.io/en/stable/topics/configuration/#environment-variables
func (b *build) tellOfWheels(env environment) environment {
	if b.opts.Wheels == nil {
		return env
	}
	links, _ := env.Get("PIP_FIND_LINKS")
	env = env.with("PIP_FIND_LINKS", strings.TrimSpace(links+" "+WheelsDir))
	if _, set := env.Get("PIP_NO_INDEX"); !set {
		env = env.with("PIP_NO_INDEX", "1")
	}
	return env
}

// offerWheels adds the packages to what a RUN has mounted, unless it has something else there.
func (s *stage) offerWheels(ctx context.Context, mounts []*mount) ([]*mount, error) {
	if s.build.opts.Wheels == nil || slices.ContainsFunc(mounts, func(m *mount) bool { return m.target == WheelsDir }) {
		return mounts, nil
	}
	tree, err := s.build.openContext(s.build.opts.Wheels)
	if err != nil {
		return nil, fmt.Errorf("reading the packages for RUN: %w", err)
	}
	tree.name = "the folder of packages"
	m := &mount{Mount: instructions.Mount{Type: "wheels", ReadOnly: true}, target: WheelsDir, key: []string{"wheels"}}
	files := &copying{stage: s, from: tree, what: instructions.SourcesAndDest{SourcePaths: []string{"."}}, isDir: true, dest: "/"}
	if err := m.bind(ctx, &mountFiles{files}); err != nil {
		return nil, fmt.Errorf("reading the packages for RUN: %w", err)
	}
	return append(mounts, m), nil
}
