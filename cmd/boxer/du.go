package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"boxer.dev/internal/diskspace"
	"boxer.dev/internal/volume"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

func diskUsageCommand(a *app) *cobra.Command {
	var asJSON, verbose bool
	command := &cobra.Command{
		Use:   "du [OPTIONS]",
		Short: "Show what boxer's files take up",
		Long: `Show what boxer's files take up on the disk. RECLAIMABLE is what goes without loss of anything
but time: the cache of builds by ` + "`boxer prune`" + `, the rest by ` + "`boxer prune --all`" + `.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.diskUsage(asJSON, verbose) },
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	command.Flags().BoolVarP(&verbose, "verbose", "v", false, "list boxes, volumes and what is in the cache")
	return command
}

// diskUsage is what `boxer du --json` prints.
type diskUsage struct {
	Store    *oci.Usage         `json:"store"`
	Code     runtime.CacheSpace `json:"code"`
	Contexts diskspace.Space    `json:"contexts"` // digests of files that builds have read
	Volumes  []volumeUsage      `json:"volumes"`

	CacheMounts []volumeUsage `json:"cache_mounts"` // directories of RUN --mount=type=cache, by their ids
}

type volumeUsage struct {
	Name string `json:"name"`
	diskspace.Space
}

func (a *app) diskUsage(asJSON, verbose bool) error {
	u, err := a.measure()
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(u)
	}
	if err := u.summary(a.stdout); err != nil || !verbose {
		return err
	}
	return u.details(a.stdout)
}

func (a *app) measure() (u diskUsage, err error) {
	store, err := a.store()
	if err != nil {
		return u, err
	}
	if u.Store, err = store.Usage(builtInImages()...); err != nil {
		return u, err
	}
	dir, err := cacheDir()
	if err != nil {
		return u, err
	}
	if u.Code, err = runtime.MeasureCache(dir); err != nil {
		return u, err
	}
	u.Contexts = diskspace.Below(contextsDir(dir))
	volumes, err := a.volumes()
	if err != nil {
		return u, err
	}
	if u.Volumes, err = usageOf(volumes, func(v volume.Volume) string { return v.Name }); err != nil {
		return u, err
	}
	caches, err := a.cacheMounts()
	if err != nil {
		return u, err
	}
	u.CacheMounts, err = usageOf(caches, func(v volume.Volume) string { return v.Labels[cacheLabel] })
	return u, err
}

func usageOf(volumes *volume.Store, name func(volume.Volume) string) ([]volumeUsage, error) {
	list, err := volumes.List()
	used := []volumeUsage{}
	for _, v := range list {
		used = append(used, volumeUsage{name(v), diskspace.Below(v.Mountpoint)})
	}
	return used, err
}

func total(list []volumeUsage) (all diskspace.Space) {
	for _, v := range list {
		all.Add(v.Space)
	}
	return all
}

func (u diskUsage) summary(w io.Writer) error {
	volumes, mounts := total(u.Volumes), total(u.CacheMounts)
	table := newTable(w)
	fmt.Fprintln(table, "TYPE\tCOUNT\tSIZE\tRECLAIMABLE")
	row := func(name string, count int, bytes, reclaimable int64) {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", name, count, size(bytes), size(reclaimable))
	}
	space := func(name string, s diskspace.Space) { row(name, s.Files, s.Bytes, s.Bytes) }
	row("Boxes", len(u.Store.Images), u.Store.ImageSpace.Bytes, u.nameless())
	row("Build cache", len(u.Store.Records), u.Store.CacheSpace.Bytes, u.Store.CacheSpace.Bytes)
	row("Cache mounts", len(u.CacheMounts), mounts.Bytes, mounts.Bytes)
	space("Opened layers", u.Store.OpenedSpace)
	space("Machine code", u.Code.Code)
	space("Memory images", u.Code.Images)
	row("Volumes", len(u.Volumes), volumes.Bytes, 0)
	other := u.Code.Other
	other.Add(u.Contexts)
	other.Add(u.Store.UnusedSpace)
	space("Other", other)
	return table.Flush()
}

// nameless is what boxes without a name have for themselves.
func (u diskUsage) nameless() (bytes int64) {
	for _, image := range u.Store.Images {
		if image.Name == "" {
			bytes += image.Own
		}
	}
	return bytes
}

func (u diskUsage) details(w io.Writer) error {
	table := newTable(w)
	fmt.Fprintln(table, "\nBOX\tID\tSIZE\tOWN")
	for _, image := range u.Store.Images {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", cmp.Or(oci.Familiar(image.Name), "<none>"), imageID(image.Digest, false), size(image.Bytes), size(image.Own))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	table = newTable(w)
	fmt.Fprintln(table, "\nBUILD CACHE\tLAST USED\tSIZE\tSTEP")
	for _, record := range u.Store.Records {
		fmt.Fprintf(table, "%.12s\t%s ago\t%s\t%s\n", record.Key, units.HumanDuration(time.Since(record.Used)), size(record.Bytes), shortened(cell(record.Text), false))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := volumeTable(w, "CACHE MOUNT", u.CacheMounts); err != nil {
		return err
	}
	return volumeTable(w, "VOLUME", u.Volumes)
}

func volumeTable(w io.Writer, title string, volumes []volumeUsage) error {
	table := newTable(w)
	fmt.Fprintf(table, "\n%s\tFILES\tSIZE\n", title)
	for _, v := range volumes {
		fmt.Fprintf(table, "%s\t%d\t%s\n", cell(v.Name), v.Files, size(v.Bytes))
	}
	return table.Flush()
}
