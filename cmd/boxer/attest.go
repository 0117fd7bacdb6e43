package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boxer.dev/builder"
	"boxer.dev/internal/export"
	"boxer.dev/internal/intoto"
	"boxer.dev/internal/provenance"
	"boxer.dev/internal/sbom"
	"boxer.dev/oci"
)

// rawJSON goes into JSON as it is.
type rawJSON = json.RawMessage

// attestOptions are the flags of `boxer build` that say what is attached to the box.
type attestOptions struct {
	sbom       string
	provenance bool
}

func (o *attestOptions) bind(command *cobra.Command) {
	flags := command.Flags()
	flags.Var((*sbomValue)(&o.sbom), "sbom", "attach a list of what is in the box: `spdx`, cyclonedx or both")
	flags.Lookup("sbom").NoOptDefVal = "spdx"
	flags.BoolVar(&o.provenance, "provenance", false, "attach how the box was built")
	command.RegisterFlagCompletionFunc("sbom", cobra.FixedCompletions([]string{"spdx", "cyclonedx", "both"}, cobra.ShellCompDirectiveNoFileComp))
}

// sbomValue is a value of --sbom; docker's are true and false.
type sbomValue string

func (v *sbomValue) String() string { return string(*v) }
func (v *sbomValue) Type() string   { return "string" }

func (v *sbomValue) Set(value string) error {
	switch value {
	case "true":
		value = "spdx"
	case "false":
		value = ""
	case "spdx", "cyclonedx", "both":
	default:
		return errors.New("it takes spdx, cyclonedx or both")
	}
	*v = sbomValue(value)
	return nil
}

var _ pflag.Value = (*sbomValue)(nil)

func (o *attestOptions) any() bool { return o.sbom != "" || o.provenance }

// check wants a box to which something can be attached.
func (o *attestOptions) check(outputs []export.Output) error {
	keeps := func(o export.Output) bool { return o.Type == export.Image }
	if o.any() && !slices.ContainsFunc(outputs, keeps) {
		return withHint(errors.New("--sbom and --provenance attach to boxes of the local store, and this one is not kept there"), "--load keeps it there, too")
	}
	return nil
}

// attestor attaches to a box what was asked for.
type attestor struct {
	options attestOptions
	build   provenance.Build
	lock    sync.Mutex // guards the bases of build
}

// watch has a build tell its bases to the provenance.
func (t *attestor) watch(options *builder.Options) {
	resolve := options.Resolve
	options.Resolve = func(ctx context.Context, ref string) (v1.Image, string, error) {
		img, note, err := resolve(ctx, ref)
		if err != nil {
			return nil, "", err
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, "", err
		}
		t.lock.Lock()
		defer t.lock.Unlock()
		input := provenance.Input{Name: ref, Digest: digest}
		if !slices.Contains(t.build.Bases, input) {
			t.build.Bases = append(t.build.Bases, input)
		}
		return img, note, nil
	}
}

// describe takes down what a build is made from.
func (t *attestor) describe(ctx context.Context, o buildOptions, options builder.Options, given buildSecrets) (err error) {
	b := &t.build
	b.Boxfile, b.BoxfileDigest = filepath.Base(options.Boxfile.Name), options.Boxfile.Digest()
	if options.Context != nil {
		if b.Context, err = builder.ContextDigest(ctx, options.Context); err != nil {
			return err
		}
	}
	if options.Wheels != nil {
		if b.Wheels, err = builder.ContextDigest(ctx, options.Wheels); err != nil {
			return err
		}
	}
	for name := range options.Contexts {
		b.Contexts = append(b.Contexts, provenance.Input{Name: name})
	}
	b.Args, b.Target, b.Labels, b.Annotations = options.Args, options.Target, options.Labels, options.Annotations
	b.Secrets = slices.Sorted(maps.Keys(given))
	b.Compression, b.Version = o.compression, version
	return nil
}

// attach makes the artifacts and keeps them beside the box.
func (t *attestor) attach(store *oci.Store, img v1.Image, root *oci.Rootfs) error {
	subject, err := descriptorOf(img)
	if err != nil {
		return err
	}
	var artifacts []*oci.Artifact
	if t.options.sbom != "" {
		inventory, err := sbom.Collect(root.Digest, root.Config, root.FS().IOFS())
		if err != nil {
			return err
		}
		for _, format := range sbomFormats {
			if t.options.sbom != format.name && t.options.sbom != "both" {
				continue
			}
			text, err := format.encode(inventory, tool())
			if err != nil {
				return err
			}
			a, err := document(subject, format.mediaType, "sbom."+format.name+".json", text)
			if err != nil {
				return err
			}
			artifacts = append(artifacts, a)
		}
	}
	if t.options.provenance {
		statement, err := t.build.Statement(subject.Digest)
		if err != nil {
			return err
		}
		text, err := statement.Encode()
		if err != nil {
			return err
		}
		a, err := document(subject, intoto.MediaType, "provenance.json", text)
		if err != nil {
			return err
		}
		artifacts = append(artifacts, a)
	}
	return store.Attach(artifacts...)
}

// titleAnnotation is the name under which `oras pull` writes a file of an artifact.
const titleAnnotation = "org.opencontainers.image.title"

func document(subject v1.Descriptor, kind, title string, text []byte) (*oci.Artifact, error) {
	return oci.NewArtifact(subject, kind, nil, oci.Content{
		MediaType: types.MediaType(kind), Data: text, Annotations: map[string]string{titleAnnotation: title},
	})
}

// describeAttached is what a list of artifacts says of one.
func describeAttached(a *oci.Artifact) string {
	return cmp.Or(map[string]string{
		sbomFormats[0].mediaType: "list of contents (SPDX)",
		sbomFormats[1].mediaType: "list of contents (CycloneDX)",
		intoto.MediaType:         "provenance",
	}[a.Type()], fmt.Sprintf("%q", a.Type()))
}
