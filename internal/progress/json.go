package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"boxer.dev/builder"
)

// JSON writes a build as one [Event] a line.
type JSON struct {
	Out io.Writer
	Now func() time.Time // nil: time.Now

	lock  sync.Mutex
	steps tracker
}

// Event is a line of [JSON]. Fields that an event does not have are left out.
//
//	start    step, stage, index, total, line, instruction
//	output   step, text: a line that a command wrote, as Clean leaves it
//	done     step, seconds; cached, layer and size (bytes, compressed) of the layer it left, error
//	note     text
//	warning  text, line
//	result   digest, config, names, size, layers
//	error    error, file, line, hint; reproduce: a command line that runs what failed
type Event struct {
	Event       string        `json:"event"`
	Time        time.Time     `json:"time"`
	Step        int           `json:"step,omitempty"` // from 1, in order of beginning
	Stage       string        `json:"stage,omitempty"`
	Index       int           `json:"index,omitempty"` // of the step in its stage, from 1
	Total       int           `json:"total,omitempty"` // steps of the stage
	File        string        `json:"file,omitempty"`
	Line        int           `json:"line,omitempty"` // in the Boxfile, from 1
	Instruction string        `json:"instruction,omitempty"`
	Text        string        `json:"text,omitempty"`
	Seconds     *float64      `json:"seconds,omitempty"`
	Cached      bool          `json:"cached,omitempty"`
	Layer       string        `json:"layer,omitempty"` // digest
	Size        int64         `json:"size,omitempty"`
	Error       string        `json:"error,omitempty"`
	Hint        string        `json:"hint,omitempty"`
	Reproduce   string        `json:"reproduce,omitempty"`
	Digest      string        `json:"digest,omitempty"`
	Config      string        `json:"config,omitempty"` // digest
	Names       []string      `json:"names,omitempty"`
	Layers      []LayerRecord `json:"layers,omitempty"` // lowest first
}

// LayerRecord is a layer of a result.
type LayerRecord struct {
	Digest   string `json:"digest"`
	Size     int64  `json:"size"`     // bytes, compressed
	Unpacked int64  `json:"unpacked"` // bytes of its files
	Base     bool   `json:"base"`     // it is the base's
}

func (j *JSON) write(e Event) {
	e.Time = clock(j.Now).now().UTC()
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(e) == nil {
		j.Out.Write(escapeControls(line.Bytes()))
	}
}

// escapeControls escapes what JSON allows as it is and a terminal would obey: DEL and the control characters above it.
func escapeControls(line []byte) []byte {
	var escaped []byte
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r >= 0x7f && r < 0xa0 {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = append(escaped, line[:n]...)
		}
		line = line[n:]
	}
	return escaped
}

// Start writes start.
func (j *JSON) Start(s *builder.Step) {
	j.lock.Lock()
	defer j.lock.Unlock()
	step := j.steps.begin(s, clock(j.Now).now())
	j.write(Event{Event: "start", Step: step.number, Stage: s.Stage, Index: s.Index, Total: s.Total, Line: s.Line, Instruction: s.Instruction})
}

// Output writes output.
func (j *JSON) Output(s *builder.Step, text []byte) {
	j.lock.Lock()
	defer j.lock.Unlock()
	if step := j.steps.steps[s]; step != nil {
		step.write(text, func(line string) { j.output(step, line) })
	}
}

func (j *JSON) output(step *begun, line string) {
	j.write(Event{Event: "output", Step: step.number, Text: line})
}

// Done writes done.
func (j *JSON) Done(s *builder.Step, err error) {
	j.lock.Lock()
	defer j.lock.Unlock()
	step, ok := j.steps.end(s)
	if !ok {
		return
	}
	step.flush(func(line string) { j.output(step, line) })
	took := s.Duration.Seconds()
	e := Event{Event: "done", Step: step.number, Seconds: &took, Cached: s.Cached, Size: s.Size}
	if s.Layer.Hex != "" {
		e.Layer = s.Layer.String()
	}
	if err != nil {
		e.Error = cause(err)
	}
	j.write(e)
}

// Note writes note.
func (j *JSON) Note(text string) {
	j.lock.Lock()
	defer j.lock.Unlock()
	j.write(Event{Event: "note", Text: text})
}

// Warn writes warning.
func (j *JSON) Warn(w builder.Warning) {
	j.lock.Lock()
	defer j.lock.Unlock()
	j.write(Event{Event: "warning", Line: w.Line, Text: w.Text})
}

// Finish writes result or error.
func (j *JSON) Finish(built *Built, err error) {
	j.lock.Lock()
	defer j.lock.Unlock()
	if err != nil {
		j.write(errorEvent(err))
		return
	}
	e := Event{Event: "result", Digest: built.Digest.String(), Config: built.Config.String(), Names: built.Names, Size: built.Size}
	for _, layer := range built.Layers {
		e.Layers = append(e.Layers, LayerRecord{layer.Digest.String(), layer.Size, layer.Unpacked, layer.Base})
	}
	j.write(e)
}

func errorEvent(err error) Event {
	e := Event{Event: "error"}
	// The place has fields of its own, so that the text goes without it.
	e.Error, _, _ = strings.Cut(err.Error(), "\n")
	var placed *builder.Error
	if errors.As(err, &placed) {
		e.File, e.Line, e.Instruction, e.Error = placed.File, placed.Line, placed.Instruction, placed.Err.Error()
	}
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		e.Hint = hinter.Hint()
	}
	var reproducible interface{ Reproduce() string }
	if errors.As(err, &reproducible) {
		e.Reproduce = reproducible.Reproduce()
	}
	return e
}
