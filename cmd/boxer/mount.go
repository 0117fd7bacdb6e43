package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"boxer.dev/internal/volume"
	"boxer.dev/runtime"
)

// mounts reads docker's -v: SOURCE:PATH[:OPTIONS], where a source with a separator (or `.`, `..`) is a host path and
// anything else a named volume, made when it is missing. Named volumes are held until release is called.
func (a *app) mounts(ctx context.Context, specs []string) (mounts []runtime.Mount, release func(), err error) {
	var uses []*volume.Use
	release = func() {
		for _, use := range uses {
			use.Close()
		}
	}
	taken := map[string]bool{}
	for _, spec := range specs {
		mount, err := parseVolume(spec)
		if err == nil && taken[mount.Target] {
			err = fmt.Errorf("duplicate mount point: %s", mount.Target)
		}
		if err != nil {
			return nil, release, &usageError{err: err}
		}
		taken[mount.Target] = true
		if isHostPath(mount.Source) {
			err = checkSource(mount.Source)
		} else {
			var use *volume.Use
			if use, err = a.useVolume(ctx, mount.Source); err == nil {
				mount.Source, uses = use.Mountpoint, append(uses, use)
			}
		}
		if err != nil {
			return nil, release, err
		}
		mounts = append(mounts, mount)
	}
	return mounts, release, nil
}

func (a *app) useVolume(ctx context.Context, name string) (*volume.Use, error) {
	volumes, err := a.volumes()
	if err != nil {
		return nil, err
	}
	return volumes.Use(ctx, name, nil)
}

func parseVolume(spec string) (runtime.Mount, error) {
	invalid := func(reason string) (runtime.Mount, error) {
		return runtime.Mount{}, fmt.Errorf("invalid volume %q: %s; it takes SOURCE:PATH[:ro]", spec, reason)
	}
	drive := filepath.VolumeName(spec)
	source, rest, found := strings.Cut(spec[len(drive):], ":")
	source = drive + source
	if !found || source == "" {
		return invalid("source or path is missing")
	}
	target, options, _ := strings.Cut(rest, ":")
	if !path.IsAbs(target) {
		return invalid(fmt.Sprintf("%q is not absolute", target))
	}
	mount := runtime.Mount{Source: source, Target: path.Clean(target)}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "", "rw", "z", "Z": // labels of SELinux mean nothing to a box
		case "ro", "readonly":
			mount.ReadOnly = true
		default:
			return invalid(fmt.Sprintf("unknown option %q", option))
		}
	}
	return mount, nil
}

func isHostPath(source string) bool {
	return source == "." || source == ".." || strings.ContainsAny(source, `/\`)
}

// checkSource refuses what is not there: docker would make a directory, owned by root, where a path was mistyped.
func checkSource(source string) error {
	_, err := os.Stat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return withHint(fmt.Errorf("mounting %s: no such file or directory", source), "create it first, or give a bare name to use a named volume")
	}
	return err
}

// withoutTargets leaves out those of some volumes whose path another one is mounted at.
func withoutTargets(specs, others []string) []string {
	taken := map[string]bool{}
	for _, spec := range others {
		if mount, err := parseVolume(spec); err == nil {
			taken[mount.Target] = true
		}
	}
	var left []string
	for _, spec := range specs {
		if mount, err := parseVolume(spec); err != nil || !taken[mount.Target] {
			left = append(left, spec)
		}
	}
	return left
}
