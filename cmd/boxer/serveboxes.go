package main

import (
	"context"
	"strings"

	"boxer.dev/internal/registry"
	"boxer.dev/oci"
	"boxer.dev/server"
)

// served are the boxes of `boxer serve`: those of the store, and the bases.
func (a *app) served(store *oci.Store, o *serveOptions) server.Boxes {
	return server.Boxes{
		Open: func(ctx context.Context, name string) (*oci.Rootfs, error) {
			img, err := a.image(ctx, store, name)
			if err != nil {
				return nil, err
			}
			return store.Rootfs(img)
		},
		List: func(context.Context) ([]server.BoxInfo, error) { return servedList(store) },
		Pull: func(ctx context.Context, name string) (server.BoxInfo, error) {
			digest, err := a.client(remoteOptions{insecure: o.insecure, referrers: true}, &registry.Stats{}).Pull(ctx, store, name)
			return server.BoxInfo{Name: name, Digest: digest.String()}, err
		},
		MayPull: func(name string) bool { return mayPull(o.pulls, name) },
	}
}

func servedList(store *oci.Store) ([]server.BoxInfo, error) {
	stored, err := store.List()
	if err != nil {
		return nil, err
	}
	var list []server.BoxInfo
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
