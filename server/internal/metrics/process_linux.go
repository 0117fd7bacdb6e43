package metrics

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// system adds what the kernel knows of this process (getrusage(2), proc_pid_statm(5), getrlimit(2)). What it does not tell is 0.
func (r *Registry) system() {
	r.add("process_cpu_seconds_total", "Time of processors, in seconds.", "counter", func(p *page) {
		var usage syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		p.line("", nil, none, time.Duration(usage.Utime.Nano()+usage.Stime.Nano()).Seconds())
	})
	r.Gauge("process_virtual_memory_bytes", "Size of the address space.", func() float64 { return pages(0) })
	r.Gauge("process_resident_memory_bytes", "Size of what is in memory.", func() float64 { return pages(1) })
	r.Gauge("process_virtual_memory_max_bytes", "Limit of the address space.", func() float64 { return limit(syscall.RLIMIT_AS) })
	r.Gauge("process_max_fds", "Limit of open files.", func() float64 { return limit(syscall.RLIMIT_NOFILE) })
	r.Gauge("process_open_fds", "Open files.", openFiles)
}

// pages is a field of statm, in bytes.
func pages(field int) float64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(statm)
	if field >= len(fields) {
		return 0
	}
	n, _ := strconv.Atoi(string(fields[field]))
	return float64(n * os.Getpagesize())
}

func limit(resource int) float64 {
	var l syscall.Rlimit
	_ = syscall.Getrlimit(resource, &l)
	return float64(l.Cur)
}

func openFiles() float64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return float64(len(names) - 1) // but for this one
}
