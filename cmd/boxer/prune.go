package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/bases"
	"boxer.dev/internal/diskspace"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

type pruneOptions struct {
	all, force  bool
	filters     []string
	keepStorage string
}

func pruneCommand(a *app) *cobra.Command {
	var o pruneOptions
	command := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove the cache of builds and what nothing needs any more",
		Long: `Remove the cache of builds, with the directories of RUN --mount=type=cache, and what failed
builds, killed processes and removed boxes have left. Boxes that have a name, and volumes, always
stay.

A build keeps the cache within bounds by itself: what was not used for 30 days goes, and beyond
8 GB of layers that no box has what was used least lately.`,
		Example: `  boxer prune --filter until=24h
  boxer prune --keep-storage 2GB
  boxer prune --all --force`,
		Args: arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.prune(o) },
	}
	flags := command.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "also boxes without a name, opened layers, machine code, memory images")
	flags.BoolVarP(&o.force, "force", "f", false, "do not ask")
	flags.StringArrayVar(&o.filters, "filter", nil, "of the cache only what was not used for so long: `until=24h`")
	flags.StringVar(&o.keepStorage, "keep-storage", "", "leave the cache as much as `SIZE`, what was used last")
	return command
}

func (a *app) prune(o pruneOptions) error {
	policy, err := o.policy()
	if err != nil {
		return err
	}
	if err := a.confirm(o); err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	_, err = store.Remove(failedName, oci.RemoveOptions{})
	if errors.Is(err, oci.ErrNotFound) {
		err = nil
	}
	failures := []error{err}
	keep := builtInImages()
	if o.all {
		keep = nil
		failures = append(failures, removeNameless(store))
	}
	freed, err := store.Cache().Prune(policy, keep...)
	if errors.Is(err, oci.ErrBusy) {
		return withHint(err, "wait until it has finished")
	}
	failures = append(failures, err)
	bytes := freed.Bytes
	mounts, err := a.pruneCacheMounts(policy)
	bytes += mounts.Bytes
	failures = append(failures, err)
	if o.all {
		emptied, err := emptyCaches(store)
		bytes += emptied.Bytes
		failures = append(failures, err)
	}
	fmt.Fprintf(a.stdout, "Removed from the cache: %d, and %d cache mounts\nTotal reclaimed space: %s\n", freed.Records, len(mounts.Volumes), size(bytes))
	return errors.Join(failures...)
}

func (o pruneOptions) policy() (oci.CachePolicy, error) {
	policy := oci.CachePolicy{}
	for _, filter := range o.filters {
		value, ok := strings.CutPrefix(filter, "until=")
		age, err := time.ParseDuration(value)
		if !ok || err != nil || age < 0 {
			return policy, &usageError{err: fmt.Errorf("invalid --filter %q: it takes until=DURATION, such as until=24h", filter)}
		}
		policy.MaxAge = max(policy.MaxAge, age)
	}
	if o.keepStorage == "" {
		policy.Bytes = oci.KeepAll
		return policy, nil
	}
	bytes, err := units.FromHumanSize(o.keepStorage)
	if err != nil || bytes < 0 {
		return policy, &usageError{err: fmt.Errorf("invalid --keep-storage %q: it takes a size, such as 2GB", o.keepStorage)}
	}
	return oci.CachePolicy{MinAge: policy.MaxAge, MaxAge: oci.KeepAll, Bytes: bytes}, nil
}

// confirm asks whoever sits at a terminal. Who does not has to say --force.
func (a *app) confirm(o pruneOptions) error {
	if o.force {
		return nil
	}
	_, asks := descriptor(a.stderr)
	if _, answers := descriptor(a.stdin); !asks || !answers {
		return withHint(errors.New("this removes files, and there is nobody to ask"), "say --force to do it")
	}
	what := "the cache of builds, and what nothing needs any more"
	if o.all {
		what += ", boxes without a name, and all that can be made anew"
	}
	fmt.Fprintf(a.stderr, "This removes %s. Go on? [y/N] ", what)
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was removed")
	}
	return nil
}

// builtInImages are the bases that boxer carries.
func builtInImages() []v1.Image {
	var images []v1.Image
	for _, name := range bases.Names {
		if img, err := builtIn(string(name)); err == nil {
			images = append(images, img)
		}
	}
	return images
}

// removeNameless removes boxes that were built without a name, or have lost theirs.
func removeNameless(store *oci.Store) error {
	stored, err := store.List()
	if err != nil {
		return err
	}
	var failures []error
	for _, image := range stored {
		if image.Name == "" {
			_, err := store.Remove(image.Digest.String(), oci.RemoveOptions{})
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// emptyCaches removes what is made anew when it is needed.
func emptyCaches(store *oci.Store) (freed diskspace.Space, err error) {
	opened, err := store.RemoveOpened()
	freed.Add(opened)
	dir, cacheErr := cacheDir()
	if cacheErr != nil {
		return freed, errors.Join(err, cacheErr)
	}
	code, codeErr := runtime.EmptyCache(dir)
	freed.Add(code)
	contexts := contextsDir(dir)
	freed.Add(diskspace.Below(contexts))
	return freed, errors.Join(err, codeErr, os.RemoveAll(contexts))
}

// contextsDir is where digests of files that builds have read are remembered.
func contextsDir(cache string) string { return filepath.Join(cache, "contexts") }
