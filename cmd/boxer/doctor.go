package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	goruntime "runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"boxer.dev/bases"
	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

func doctorCommand(a *app) *cobra.Command {
	var o oci.ExamineOptions
	command := &cobra.Command{
		Use:   "doctor [OPTIONS]",
		Short: "Look whether everything that boxer keeps is whole, and what this machine offers",
		Long: `Look whether every box of the local store has its manifest, its configuration and all layers,
whether caches can be used, what of this machine makes boxes fast, and what a process gives up that
runs a box with --isolate: it is started, and tries.

The exit status is 1 if something is damaged. What is damaged is named with what mends it.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.doctor(command.Context(), o) },
	}
	command.Flags().BoolVar(&o.Deep, "deep", false, "read every byte and compare digests, caches included")
	command.Flags().BoolVar(&o.Repair, "repair", false, "remove what is damaged, so that it can be pulled or built again")
	return command
}

func (a *app) doctor(ctx context.Context, o oci.ExamineOptions) error {
	table := newTable(a.stdout)
	store, err := a.store()
	if err != nil {
		return err
	}
	if o.Deep {
		o.Known = builtInImages()
	}
	found, err := store.Examine(o)
	if errors.Is(err, oci.ErrBusy) {
		return withHint(err, "try again when no other boxer pulls, builds or loads")
	}
	if err != nil {
		return err
	}
	look := "sizes and small files looked at; --deep reads every byte"
	if o.Deep {
		look = fmt.Sprintf("every byte read, %d opened layers made once more and compared", found.Compared)
	}
	state := "ok"
	if len(found.Damages) > 0 {
		state = "damaged"
	}
	fmt.Fprintf(table, "store\t%s\t%d boxes, %d blobs, %d opened layers, %s (%s)\n",
		state, found.Images, found.Blobs, found.Layers, size(found.Bytes), look)
	if found.Unfinished > 0 {
		fmt.Fprintf(table, "\t\t%d unfinished downloads, %s: the next pull goes on with them, the next `boxer rm` drops them\n", found.Unfinished, size(found.UnfinishedBytes))
	}
	bad := errors.Join(caches(table), carried(table, o.Deep))
	if o.Deep {
		bad = errors.Join(bad, deepCaches(table, store, o.Repair))
	}
	for _, f := range hostFeatures() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.name, mark(f.have), f.meaning)
	}
	walls(ctx, table)
	if err := table.Flush(); err != nil {
		return err
	}
	return errors.Join(a.damages(found.Damages), bad)
}

// walls asks a worker what it gives up here. One that is missing damages nothing: --isolate=require is for who needs it.
func walls(ctx context.Context, table *tabwriter.Writer) {
	found, err := new(isolate.Pool).Probe(ctx)
	if err != nil {
		fmt.Fprintf(table, "isolation\tno\t%s\n", printable(err.Error()))
	}
	for _, w := range found {
		fmt.Fprintf(table, "isolation: %s\t%s\t%s\n", w.Name, mark(w.Active), printable(w.Detail))
	}
}

func mark(ok bool) string {
	if ok {
		return "ok"
	}
	return "no"
}

// damages tells each one with what mends it. Opened layers mend themselves.
func (a *app) damages(list []oci.Damage) error {
	lost := 0
	for _, d := range list {
		what := d.Image
		if what == "" {
			what = "opened layer"
		}
		fmt.Fprintf(a.stdout, "\n%s: %s\n", printable(what), printable(d.Err.Error()))
		fmt.Fprintf(a.stdout, "  %s\n", printable(mends(d)))
		if !d.Repaired || d.Image != "" {
			lost++
		}
	}
	if lost == 0 {
		return nil
	}
	err := fmt.Errorf("the store is damaged in %d places", lost)
	for _, d := range list {
		if !d.Repaired {
			return withHint(err, "`boxer doctor --repair` removes what is damaged; after it pull, build or load the boxes named above again")
		}
	}
	return err
}

func mends(d oci.Damage) string {
	if d.Image == "" {
		return "it is made anew when a box needs it"
	}
	again := "build it or load it again"
	if d.Origin != "" {
		again = "`boxer pull " + d.Image + "` brings it again (it was seen in " + d.Origin + "), or build it"
	}
	if d.Repaired {
		return "what is damaged was removed; " + again
	}
	return "`boxer doctor --repair`, then " + again
}

// caches looks at what can be made anew: it has to be writable by us, and by nobody else.
func caches(table *tabwriter.Writer) error {
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	var files int
	var bytes int64
	walkErr := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err == nil {
			files++
			bytes += info.Size()
		}
		return nil
	})
	if errors.Is(walkErr, fs.ErrNotExist) {
		walkErr = nil
	}
	writable := checkWritable(dir)
	fmt.Fprintf(table, "cache\t%s\t%s: %d files, %s; deleting it costs time only\n", mark(errors.Join(walkErr, writable) == nil), dir, files, size(bytes))
	if err := errors.Join(walkErr, writable); err != nil {
		return withHint(fmt.Errorf("the cache cannot be used: %w", err), "set BOXER_CACHE to a directory of your own")
	}
	return nil
}

// deepCaches compares machine code and memory images with what they were made from. Damage to them is no loss, and no failure.
func deepCaches(table *tabwriter.Writer, store *oci.Store, repair bool) error {
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	code, err := runtime.ExamineCode(dir, repair)
	images, imagesErr := runtime.ExamineImages(dir, repair, openedBoxes(store))
	for _, part := range []struct {
		name string
		runtime.Examined
	}{{"cached code", code}, {"cached images", images}} {
		mends := ""
		if n := len(part.Damaged); n > 0 && repair {
			mends = fmt.Sprintf(", %d damaged ones removed", n)
		} else if n > 0 {
			mends = fmt.Sprintf(", %d damaged: they are made anew when needed, and --repair removes them", n)
		}
		fmt.Fprintf(table, "%s\t%s\t%d whole%s\n", part.name, mark(len(part.Damaged) == 0), part.Whole, mends)
	}
	return errors.Join(err, imagesErr)
}

// openedBoxes are the bases and the boxes of the store, each open for as long as it is looked at.
func openedBoxes(store *oci.Store) iter.Seq[*oci.Rootfs] {
	return func(yield func(*oci.Rootfs) bool) {
		images := builtInImages()
		stored, _ := store.List() // what cannot be read is told as damage of the store
		for _, s := range stored {
			if img, err := store.Image(s.Digest.String()); err == nil {
				images = append(images, img)
			}
		}
		for _, img := range images {
			root, err := store.Rootfs(img)
			if err != nil {
				continue
			}
			more := yield(root)
			root.Close()
			if !more {
				return
			}
		}
	}
}

func checkWritable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "doctor-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// carried looks at the bases.
func carried(table *tabwriter.Writer, deep bool) error {
	var failures []error
	for _, name := range bases.Names {
		img, err := builtIn(string(name))
		text := "built in"
		if err == nil && deep {
			err = oci.Validate(img)
		}
		if err != nil {
			text = printable(err.Error())
			failures = append(failures, err)
		}
		fmt.Fprintf(table, "base %s\t%s\t%s\n", name, mark(err == nil), text)
	}
	return errors.Join(failures...)
}

// hostFeature is something of this machine that makes boxes fast.
type hostFeature struct {
	name    string
	have    bool
	meaning string
}

// compiles tells whether wazero has a compiler for this machine.
func compiles() hostFeature {
	have := goruntime.GOARCH == "amd64" || goruntime.GOARCH == "arm64"
	return hostFeature{"machine code", have, goruntime.GOOS + "/" + goruntime.GOARCH + ": programs are compiled, not interpreted"}
}
