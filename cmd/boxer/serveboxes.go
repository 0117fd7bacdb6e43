package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"boxer.dev/bases"
	"boxer.dev/builder"
	"boxer.dev/internal/registry"
	"boxer.dev/oci"
	"boxer.dev/server"
)

// served are the boxes of `boxer serve`: those of the store, and the bases.
func (a *app) served(store *oci.Store, o *serveOptions) server.Boxes {
	carried := sync.OnceValues(carriedList)
	return server.Boxes{
		Open: func(ctx context.Context, name string) (*oci.Rootfs, error) {
			img, err := a.image(ctx, store, name)
			if err != nil {
				return nil, err
			}
			return store.Rootfs(img)
		},
		List: func(context.Context) ([]server.BoxInfo, error) { return servedList(store, carried) },
		Pull: func(ctx context.Context, name string) (server.BoxInfo, error) {
			digest, err := a.client(remoteOptions{insecure: o.insecure, referrers: true}, &registry.Stats{}).Pull(ctx, store, name)
			return server.BoxInfo{Name: name, Digest: digest.String()}, err
		},
		MayPull: func(name string) bool { return mayPull(o.pulls, name) },
	}
}

// carriedList are the bases, by a name that each can be asked for by.
func carriedList() (list []server.BoxInfo, err error) {
	for _, base := range []struct{ name, base string }{{server.DefaultBox, builder.PythonBase}, {"debian", builder.RootBase}} {
		image, err := builtIn(base.base)
		if errors.Is(err, bases.ErrNotBuilt) {
			continue
		} else if err != nil {
			return nil, err
		}
		digest, err := image.Digest()
		if err != nil {
			return nil, err
		}
		manifest, err := image.Manifest()
		if err != nil {
			return nil, err
		}
		info := server.BoxInfo{Name: base.name, Digest: digest.String(), BuiltIn: true}
		for _, layer := range manifest.Layers {
			info.Size += layer.Size
		}
		list = append(list, info)
	}
	return list, nil
}

// servedList has the bases first, but those that an image of the store stands before.
func servedList(store *oci.Store, carried func() ([]server.BoxInfo, error)) ([]server.BoxInfo, error) {
	stored, err := store.List()
	if err != nil {
		return nil, err
	}
	all, err := carried()
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(slices.Clone(all), func(base server.BoxInfo) bool {
		return slices.ContainsFunc(stored, func(image oci.Stored) bool { return oci.Familiar(image.Name) == base.Name })
	})
	for _, image := range stored {
		if image.Name != "" && image.Err == nil {
			list = append(list, server.BoxInfo{Name: oci.Familiar(image.Name), Digest: image.Digest.String(), Created: image.Created, Size: image.Size})
		}
	}
	return list, nil
}

// mayPull reports whether a name is one of those that begin with a prefix, which ends where a part of the name does:
// "registry.example/team" does not stand for "registry.example/teammates", nor "registry.example" for another port.
func mayPull(prefixes []string, name string) bool {
	for _, prefix := range prefixes {
		prefix = strings.TrimRight(prefix, "/")
		ends := "/"
		if strings.Contains(prefix, "/") {
			ends = "/:@"
		}
		rest, found := strings.CutPrefix(name, prefix)
		if found && prefix != "" && (rest == "" || strings.ContainsRune(ends, rune(rest[0]))) {
			return true
		}
	}
	return false
}
