package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/internal/compare"
	"boxer.dev/internal/intoto"
	"boxer.dev/internal/provenance"
	"boxer.dev/internal/registry"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
)

// statusRefused is the exit status for a box that is not what it should be; 1 is for not finding out.
const statusRefused = 2

type verifyOptions struct {
	key, signedAs string
	rebuild       string
	build         buildOptions
	insecure      bool
}

func verifyCommand(a *app) *cobra.Command {
	var o verifyOptions
	command := &cobra.Command{
		Use:   "verify [OPTIONS] BOX",
		Short: "Check who signed a box, and what it was built from",
		Long: `Check a box: that every digest of it is right, that it is signed by a key (--key), and that the
same inputs give the same box (--rebuild). A box that is not in the local store is checked in its
registry, without being kept.

With --rebuild the box is built again, without the cache of builds; flags say how, and where they do
not, what is attached to the box does (boxer build --provenance).

The exit status is 0 if all of it is right, 2 if something is not, 1 if that could not be found out.`,
		Example: `  boxer verify --key boxer.pub ghcr.io/me/app:1
  boxer verify --rebuild . app`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeBoxes(1, 0),
		RunE: func(command *cobra.Command, args []string) error {
			if o.key == "" && o.rebuild == "" {
				return withHint(&usageError{err: errors.New("there is nothing to check the box by")}, "--key FILE checks signatures, --rebuild PATH the build")
			}
			return a.verify(command.Context(), o, args[0])
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.key, "key", "", "want a signature by the public key in `FILE`")
	flags.StringVar(&o.signedAs, "signed-as", "", "want it to be signed under the name of this `REPOSITORY`, too")
	flags.BoolVar(&o.insecure, "insecure", false, insecureUsage)
	flags.StringVar(&o.rebuild, "rebuild", "", "build it again from the context in `PATH`, or a URL")
	flags.StringVarP(&o.build.file, "file", "f", "", "the `Boxfile` to build it by (default: Boxfile, Dockerfile)")
	flags.StringArrayVar(&o.build.args, "build-arg", nil, "set an ARG: `NAME=value`")
	flags.StringArrayVar(&o.build.secrets, "secret", nil, "for RUN --mount=type=secret: `id=ID,src=FILE` or id=ID,env=NAME")
	flags.StringArrayVar(&o.build.contexts, "build-context", nil, "a further context: `NAME=DIR`, NAME=IMAGE, NAME=oci-layout:PATH")
	flags.StringVar(&o.build.target, "target", "", "the `stage` to build (default: the last)")
	flags.StringVar(&o.build.wheels, "wheels", "", "let pip in RUN install the packages in `DIR`")
	flags.StringArrayVar(&o.build.results.labels, "label", nil, "add a label: `KEY=VALUE`")
	flags.StringVar(&o.build.compression, "compression", "", "how layers are compressed: `zstd|gzip` (default zstd)")
	command.MarkFlagDirname("rebuild")
	return command
}

// verification is a box that is being checked.
type verification struct {
	img       v1.Image
	subject   v1.Descriptor
	artifacts []*oci.Artifact
	checked   *signature.Checked // nil: signatures are not looked at
}

func (a *app) verify(ctx context.Context, o verifyOptions, ref string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	v, err := a.openForVerification(ctx, o, store, ref)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "box\t%s\n", v.subject.Digest)
	if err := errors.Join(v.look(o, table, ref), table.Flush()); err != nil {
		return err
	}
	if o.rebuild == "" {
		return nil
	}
	return a.verifyRebuild(ctx, o, store, v)
}

// openForVerification opens a box and what is attached to it, where it is.
func (a *app) openForVerification(ctx context.Context, o verifyOptions, store *oci.Store, ref string) (*verification, error) {
	v := &verification{}
	client := a.client(remoteOptions{insecure: o.insecure}, &registry.Stats{})
	var err error
	v.img, err = a.image(ctx, store, ref)
	local := err == nil
	if errors.Is(err, oci.ErrNotFound) && namesRegistry(ref) {
		v.img, err = client.Image(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	if v.subject, err = descriptorOf(v.img); err != nil {
		return nil, err
	}
	if v.artifacts, err = store.Artifacts(v.subject.Digest); err != nil {
		return nil, err
	}
	if local && (!namesRegistry(ref) || v.isSigned(o.key)) {
		return v, nil
	}
	attached, err := client.Artifacts(ctx, ref, v.subject)
	if err != nil && !local {
		return nil, err
	}
	v.artifacts = append(v.artifacts, attached...)
	return v, nil
}

// isSigned tells whether what is known so far is enough, without saying why it is not.
func (v *verification) isSigned(keyFile string) bool {
	t, err := newTrust(keyFile)
	if err != nil || t == nil {
		return len(v.artifacts) > 0
	}
	_, err = t.key.Check(v.subject.Digest, v.artifacts)
	return err == nil
}

// look checks digests and signatures, and tells of each.
func (v *verification) look(o verifyOptions, table *tabwriter.Writer, ref string) error {
	if err := oci.Validate(v.img); err != nil {
		return &statusError{err, statusRefused}
	}
	layers, err := v.img.Layers()
	if err != nil {
		return err
	}
	fmt.Fprintf(table, "contents\tall digests are right, %d layers\n", len(layers))
	if o.key != "" {
		if err := v.lookAtSignatures(o, table, ref); err != nil {
			return err
		}
	}
	for _, a := range v.artifacts {
		if err := v.lookAtDocument(table, a); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) lookAtSignatures(o verifyOptions, table *tabwriter.Writer, ref string) error {
	t, err := newTrust(o.key)
	if err != nil {
		return err
	}
	v.checked, err = t.key.Check(v.subject.Digest, v.artifacts)
	if refused := t.refusal(err, ref); refused != nil {
		return &statusError{refused, statusRefused}
	}
	as := ""
	if len(v.checked.Names) > 0 {
		as = " as " + printable(strings.Join(v.checked.Names, ", "))
	}
	fmt.Fprintf(table, "signature\tby %s%s\n", o.key, as)
	if o.signedAs != "" && !slices.Contains(v.checked.Names, repositoryOf(o.signedAs)) {
		return &statusError{fmt.Errorf("%s is refused: it is not signed as %s", ref, repositoryOf(o.signedAs)), statusRefused}
	}
	return nil
}

// lookAtDocument tells of a document whether the key signed it. The signatures themselves have been looked at.
func (v *verification) lookAtDocument(table *tabwriter.Writer, a *oci.Artifact) error {
	if slices.Contains(signature.Types, a.Type()) {
		return nil
	}
	for _, d := range a.Blobs() {
		if _, err := a.Blob(d, maxAttachedDocument); err != nil && !errors.Is(err, oci.ErrTooLarge) {
			return &statusError{err, statusRefused}
		}
	}
	state := ""
	if statement, err := statementOf(a); err == nil && statement != nil && v.checked != nil {
		state = ", not signed"
		if v.signed(statement) {
			state = ", signed"
		}
	}
	fmt.Fprintf(table, "attached\t%s%s\n", printable(describeAttached(a)), state)
	return nil
}

// signed tells whether the key signed a statement, word for word.
func (v *verification) signed(statement *intoto.Statement) bool {
	want, err := statement.Encode()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(v.checked.Statements, func(s *intoto.Statement) bool {
		got, err := s.Encode()
		return err == nil && string(got) == string(want)
	})
}

// provenance is what is attached to the box about its build, nil if there is nothing. With a key, what it did not sign does not
// count.
func (v *verification) provenance() *provenance.Build {
	for _, a := range v.artifacts {
		if a.Type() != intoto.MediaType {
			continue
		}
		statement, err := statementOf(a)
		if err != nil || v.checked != nil && !v.signed(statement) {
			continue
		}
		if b, err := provenance.Read(statement); err == nil {
			return b
		}
	}
	return nil
}

func (a *app) verifyRebuild(ctx context.Context, o verifyOptions, store *oci.Store, v *verification) error {
	build := o.build
	build.progress, build.cache.noCache, build.pull = "quiet", true, pullOptions{policy: pullMissing, insecure: o.insecure}
	known := v.provenance()
	if known != nil {
		build = withProvenance(build, known)
	}
	if build.compression == "" {
		build.compression = "zstd"
	}
	results, err := a.results(build.results, nil)
	if err != nil {
		return err
	}
	results.outputs, results.silent = nil, true
	same := false
	results.taken = func(store *oci.Store, img v1.Image, root *oci.Rootfs) error {
		if same = root.Digest == v.subject.Digest; same {
			return nil
		}
		return a.tellDifference(store, v, root)
	}
	if err := a.buildTo(ctx, build, o.rebuild, results); err != nil {
		return fmt.Errorf("building it again: %w", err)
	}
	if !same {
		return withHint(&statusError{errors.New("building it again gives another box"), statusRefused}, "%s", rebuildHint(known))
	}
	_, err = fmt.Fprintln(a.stdout, "rebuilt   the same digest")
	return err
}

func rebuildHint(known *provenance.Build) string {
	switch {
	case known == nil:
		return "are --file, --build-arg, --target and --compression as they were? `boxer build --provenance` would tell"
	case known.Version != version:
		return "it was built by boxer " + printable(known.Version) + ", this is " + version
	}
	return "it was built by the same boxer: context, bases and secrets have to be the same, too"
}

// withProvenance fills in what flags do not say.
func withProvenance(o buildOptions, b *provenance.Build) buildOptions {
	given := map[string]bool{}
	for _, arg := range o.args {
		name, _, _ := strings.Cut(arg, "=")
		given[name] = true
	}
	for name, value := range b.Args {
		if !given[name] {
			o.args = append(o.args, name+"="+value)
		}
	}
	for key, value := range b.Labels {
		o.results.labels = append([]string{key + "=" + value}, o.results.labels...) // the last one counts
	}
	for key, value := range b.Annotations {
		o.results.annotations = append(o.results.annotations, "manifest:"+key+"="+value)
	}
	if o.target == "" {
		o.target = b.Target
	}
	if o.compression == "" {
		o.compression = b.Compression
	}
	return o
}

// tellDifference prints how a box that was built again differs: files and configuration, else layers.
func (a *app) tellDifference(store *oci.Store, v *verification, again *oci.Rootfs) error {
	root, err := store.Rootfs(v.img)
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := compare.Boxes(root, again, compare.Options{Times: true})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "rebuilt   %s, which differs:\n", again.Digest)
	if !found.None() {
		return found.Write(a.stdout)
	}
	was, is := root.Config.RootFS.DiffIDs, again.Config.RootFS.DiffIDs
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			fmt.Fprintf(a.stdout, "layer %d: %s, now %s\n", i, layerAt(was, i), layerAt(is, i))
		}
	}
	if slices.Equal(was, is) {
		fmt.Fprintln(a.stdout, "files are the same; history, annotations or compression are not")
	}
	return nil
}

func layerAt(layers []v1.Hash, i int) string {
	if i >= len(layers) {
		return "none"
	}
	return layers[i].String()
}
