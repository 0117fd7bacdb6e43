package builder

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Step is one instruction being carried out.
type Step struct {
	Stage       string // name of the stage, or stage-N; empty if the Boxfile has only one
	Index       int    // from 1
	Total       int    // steps of the stage
	Line        int    // in the Boxfile
	Instruction string // the text, continuation lines joined

	// Known when the step is done.
	Layer    v1.Hash // digest of the layer it left; zero: none
	Size     int64   // bytes of that layer as stored
	Duration time.Duration
	Snapshot *Snapshot // that the layer holds, or nil
	Cached   bool      // it was carried out by an earlier build
}

// Warning is something that the user should know and that does not fail the build.
type Warning struct {
	Line int // in the Boxfile; 0: none in particular
	Text string

	// Of a warning that docker build gives, too: the rule's name, what it is about, and where to read more.
	Rule, Description, URL string
}

// Progress is told what a build does. Stages are built at the same time, so that calls may come from several goroutines at
// once; those of one step come in order, but Output, during RUN, from the goroutines of the command.
type Progress interface {
	Start(s *Step)
	// Output is called with what a command of the step writes, unfiltered: it may hold control characters.
	Output(s *Step, p []byte)
	// Done is called once for each started step; err is nil if it succeeded.
	Done(s *Step, err error)
	// Note is called with facts such as which base stands in for another.
	Note(text string)
	Warn(w Warning)
}

type noProgress struct{}

func (noProgress) Start(*Step)          {}
func (noProgress) Output(*Step, []byte) {}
func (noProgress) Done(*Step, error)    {}
func (noProgress) Note(string)          {}
func (noProgress) Warn(Warning)         {}
