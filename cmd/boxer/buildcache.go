package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"

	"boxer.dev/builder"
	"boxer.dev/internal/registry"
	"boxer.dev/oci"
)

// cacheOptions are the flags of `boxer build` about its cache.
type cacheOptions struct {
	noCache       bool
	noCacheFilter []string
	from, to      []string
}

func (o *cacheOptions) bind(flags *pflag.FlagSet) {
	flags.BoolVar(&o.noCache, "no-cache", false, "carry out every instruction anew")
	flags.StringSliceVar(&o.noCacheFilter, "no-cache-filter", nil, "carry out the instructions of a `stage` anew")
	flags.StringArrayVar(&o.from, "cache-from", nil, "another `CACHE`: type=local,src=DIR, type=registry,ref=NAME")
	flags.StringArrayVar(&o.to, "cache-to", nil, "write a `CACHE`: type=local,dest=DIR, type=registry,ref=NAME")
}

// cachePlace is what a --cache-from or --cache-to names.
type cachePlace struct {
	flag, kind string
	dir        string         // type=local
	ref        name.Reference // type=registry
	min        bool           // mode=min: what the target itself was made with, and nothing of other stages
}

// apply opens the store's cache, and those of --cache-from, for a build. What --cache-to names is written by what it returns.
func (o *cacheOptions) apply(ctx context.Context, options *builder.Options, store *oci.Store, warn func(error)) (export func(*builder.Result) error, err error) {
	from, err := cachePlaces("cache-from", o.from)
	if err != nil {
		return nil, err
	}
	to, err := cachePlaces("cache-to", o.to)
	if err != nil {
		return nil, err
	}
	cache := store.Cache()
	for _, place := range from {
		if err := place.importTo(ctx, cache); err != nil {
			warn(fmt.Errorf("--cache-from %s: %w", place, err)) // there is none before the first build
		}
	}
	options.Cache, options.NoCache, options.NoCacheFilter = cache, o.noCache, o.noCacheFilter
	options.Identity, options.TempDir = identity(), store.TempDir()
	if dir, err := cacheDir(); err == nil {
		options.DigestDir = contextsDir(dir)
	}
	return func(result *builder.Result) error {
		for _, place := range to {
			if err := place.export(ctx, cache, result); err != nil {
				return fmt.Errorf("--cache-to %s: %w", place, err)
			}
		}
		return nil
	}, nil
}

// identity is what the cache takes for the same boxer: one that was built from the same clean source, on any platform; of
// others the very same file.
func identity() string {
	if version != "unknown" && !strings.HasSuffix(version, "-dirty") {
		return version
	}
	file, err := os.Executable()
	if err != nil {
		return version
	}
	info, err := os.Stat(file)
	if err != nil {
		return version
	}
	return fmt.Sprintf("%s %s %d %d", version, runtime.GOARCH, info.Size(), info.ModTime().UnixNano())
}

func cachePlaces(flag string, specs []string) ([]*cachePlace, error) {
	var places []*cachePlace
	for _, spec := range specs {
		place, err := parseCachePlace(flag, spec)
		if err != nil {
			return nil, err
		}
		places = append(places, place)
	}
	return places, nil
}

// parseCachePlace reads type=…,KEY=VALUE,… in the notation of docker build: one line of CSV. A name alone is a registry's.
func parseCachePlace(flag, spec string) (*cachePlace, error) {
	fields, err := csv.NewReader(strings.NewReader(spec)).Read()
	if err != nil || spec == "" {
		return nil, &usageError{err: fmt.Errorf("invalid --%s %q", flag, spec)}
	}
	if len(fields) == 1 && !strings.Contains(fields[0], "=") {
		fields = []string{"type=registry", "ref=" + fields[0]}
	}
	place := &cachePlace{flag: flag}
	dirKey := map[string]string{"cache-from": "src", "cache-to": "dest"}[flag]
	ref := ""
	for _, field := range fields {
		switch key, value, _ := strings.Cut(field, "="); {
		case key == "type":
			place.kind = value
		case key == dirKey:
			place.dir = value
		case key == "ref":
			ref = value
		case key == "mode" && flag == "cache-to" && (value == "min" || value == "max"):
			place.min = value == "min"
		default:
			return nil, withHint(&usageError{err: fmt.Errorf("--%s: unknown %q", flag, field)}, "%s", cachePlaceHint(flag))
		}
	}
	return place, place.check(ref)
}

func (p *cachePlace) check(ref string) (err error) {
	switch {
	case p.kind == "local" && p.dir != "" && ref == "":
		return nil
	case p.kind == "registry" && ref != "" && p.dir == "":
		if p.ref, err = name.ParseReference(ref, name.WithDefaultRegistry("index.docker.io")); err != nil {
			return &usageError{err: fmt.Errorf("--%s: %w", p.flag, err)}
		}
		return nil
	case p.kind == "inline":
		return withHint(fmt.Errorf("--%s: a box carries no cache in it", p.flag), "%s", cachePlaceHint(p.flag))
	}
	return withHint(&usageError{err: fmt.Errorf("--%s: type=%s is not complete, or not known", p.flag, p.kind)}, "%s", cachePlaceHint(p.flag))
}

func cachePlaceHint(flag string) string {
	if flag == "cache-to" {
		return "write type=local,dest=DIR or type=registry,ref=NAME, and mode=min to leave other stages out"
	}
	return "write type=local,src=DIR or type=registry,ref=NAME"
}

func (p *cachePlace) String() string {
	if p.kind == "local" {
		return p.dir
	}
	return p.ref.String()
}

func cacheClient() *registry.Client {
	return registry.New(registry.Options{UserAgent: "boxer/" + version})
}

// cacheTag names the cache in a layout.
const cacheTag = "cache"

func (p *cachePlace) importTo(ctx context.Context, cache *oci.Cache) error {
	var img v1.Image
	var err error
	if p.kind == "local" {
		img, err = oci.OpenLayoutRef(oci.LayoutRef{Path: p.dir, Tag: cacheTag})
	} else {
		img, err = cacheClient().Image(ctx, p.ref.Name())
	}
	if err != nil {
		return err
	}
	return cache.Import(img)
}

func (p *cachePlace) export(ctx context.Context, cache *oci.Cache, result *builder.Result) error {
	records := result.Records
	if p.min {
		records = result.TargetRecords
	}
	img, err := cache.Image(records)
	if err != nil {
		return err
	}
	if p.kind == "registry" {
		_, err := cacheClient().Push(ctx, nil, img, p.ref.Name())
		return err
	}
	layout, err := oci.Open(p.dir)
	if err != nil {
		return err
	}
	if _, err := layout.Put(img, cacheTag); err != nil {
		return err
	}
	if _, err := layout.GC(); err != nil && !errors.Is(err, oci.ErrBusy) {
		return err
	}
	return nil
}
