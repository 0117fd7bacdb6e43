package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"

	"boxer.dev/internal/bench/rival"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// Density says what `boxer bench density` measures with.
type Density struct {
	Python   *oci.Rootfs // the Python base, opened
	CacheDir string      // of machine code, see runtime.Options
	Boxer    string      // the executable of boxer, to be run as a process
	Rivals   []*rival.Rival
	Quick    bool
	Progress func(what string)
}

// Run takes all figures.
func (d Density) Run(ctx context.Context) (*Section, error) {
	s := &Section{Name: "density", Title: "Memory", How: []string{
		"What one more interpreter takes that has run a line and waits: the growth from the first to the last of some, divided by their number.",
		"Counted are all processes that are there for an instance, pages that several share in parts (Pss); of containers the one that watches over it, too, but no daemon.",
	}}
	c := Comparison{Key: "memory_per_idle_instance", What: "Memory of one more idle instance", Unit: "MB", Scale: 1e-6}
	if _, err := residentBytes([]int{os.Getpid()}); err != nil {
		for _, who := range append([]string{"boxer", "boxer_process"}, rival.Keys()...) {
			c.Entries = append(c.Entries, Entry{Who: who, Missing: "the system does not tell: " + err.Error()})
		}
		s.Comparisons = append(s.Comparisons, c)
		return s, nil
	}
	each, err := d.inOneProcess(ctx)
	if err != nil {
		return nil, err
	}
	boxer := Entry{Who: "boxer", Figure: each, Note: "in one process"}
	process := Entry{Who: "boxer_process", Note: "a process each"}
	command := []string{d.Boxer, "run", "-i", "python:3.13", "-c", waiting}
	if process.Figure, err = d.instances(func() (*rival.Instance, error) { return rival.Wait(ctx, command, nil) }); err != nil {
		return nil, err
	}
	process.Ratio = exact(process.Figure.Median, each.Median)
	c.Entries = append(c.Entries, boxer, process)
	for _, r := range d.Rivals {
		if d.Progress != nil {
			d.Progress("memory of " + r.Name)
		}
		e := Entry{Who: r.Key, Missing: r.Missing}
		if e.Missing == "" {
			if e.Figure, err = d.ofRival(ctx, r); err != nil {
				e.Missing = err.Error()
			} else {
				e.Ratio = exact(e.Figure.Median, each.Median)
			}
		}
		c.Entries = append(c.Entries, e)
	}
	s.Comparisons = append(s.Comparisons, c)
	return s, nil
}

// count is how many instances there are of which the first is not counted.
func (d Density) count() int {
	if d.Quick {
		return 4
	}
	return 9
}

// inOneProcess measures instances in this process: a hundred, since each is small beside what the process does besides.
func (d Density) inOneProcess(ctx context.Context) (_ *Figure, err error) {
	const instances = 100
	engine, err := runtime.New(ctx, runtime.Options{CacheDir: d.CacheDir})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	box, err := engine.Load(d.Python)
	if err != nil {
		return nil, err
	}
	first := newCrowd(ctx, box, 1)
	ready := first.hear("ready\n")
	goruntime.GC()
	before, err := residentBytes([]int{os.Getpid()})
	if err != nil {
		return nil, err
	}
	more := newCrowd(ctx, box, instances)
	ready += more.hear("ready\n")
	goruntime.GC()
	after, err := residentBytes([]int{os.Getpid()})
	for _, crowd := range []*crowd{first, more} {
		crowd.tell()
		crowd.hear("42\n")
		err = errors.Join(err, crowd.leave())
	}
	if err == nil && ready != instances+1 {
		err = fmt.Errorf("of %d instances %d were ready", instances+1, ready)
	}
	return figure(Sample{float64(after-before) / instances}), err
}

// ofRival measures instances as the rival has them: in its driver, or as processes.
func (d Density) ofRival(ctx context.Context, r *rival.Rival) (_ *Figure, err error) {
	if r.Streams {
		return d.instances(func() (*rival.Instance, error) { return r.Wait(ctx, waiting) })
	}
	driver, err := r.Drive(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, driver.Close()) }()
	return d.growth(func() ([]int, error) {
		_, _, err := driver.Ask(rival.Hold, "print('ready')")
		return family(driver.Process()), err
	})
}

// instances measures instances that are processes of their own.
func (d Density) instances(start func() (*rival.Instance, error)) (_ *Figure, err error) {
	var processes []int
	var running []*rival.Instance
	defer func() {
		for _, one := range running {
			err = errors.Join(err, one.Stop())
		}
	}()
	return d.growth(func() ([]int, error) {
		one, err := start()
		if err != nil {
			return nil, err
		}
		running = append(running, one)
		for _, pid := range one.Processes {
			processes = append(processes, family(pid)...)
		}
		slices.Sort(processes) // a process that watches over an instance has it among its descendants
		processes = slices.Compact(processes)
		return processes, nil
	})
}

// growth starts instances and gives what each but the first adds to the memory of the processes that there are then.
func (d Density) growth(more func() (processes []int, err error)) (*Figure, error) {
	var first, last int64
	for i := range d.count() {
		processes, err := more()
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if first, err = residentBytes(processes); err != nil {
				return nil, err
			}
		}
		if last, err = residentBytes(processes); err != nil {
			return nil, err
		}
	}
	return figure(Sample{float64(last-first) / float64(d.count()-1)}), nil
}
