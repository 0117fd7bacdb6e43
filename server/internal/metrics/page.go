package metrics

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// ServeHTTP shows all figures in Prometheus' text format 0.0.4. Source:
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var p page
	for _, f := range r.families {
		p.name = f.name
		p.WriteString("# HELP " + f.name + " " + escapeHelp.Replace(f.help) + "\n# TYPE " + f.name + " " + f.kind + "\n")
		f.write(&p)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(p.Bytes())
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// page is the text that is being written, and the family that it is at.
type page struct {
	bytes.Buffer
	name string
}

// line writes a sample: `NAME_SUFFIX{LABEL="VALUE"} NUMBER`.
func (p *page) line(suffix string, labels []string, of values, number float64) {
	p.sample(suffix, labels, of, "", "", number)
}

// sample writes a line with a further label, unless that is "".
func (p *page) sample(suffix string, labels []string, of values, label, value string, number float64) {
	p.WriteString(p.name + suffix)
	separator := byte('{')
	pair := func(label, value string) {
		p.WriteByte(separator)
		p.WriteString(label + `="` + escapeValue.Replace(value) + `"`)
		separator = ','
	}
	for i, l := range labels {
		pair(l, of[i])
	}
	if label != "" {
		pair(label, value)
	}
	if separator == ',' {
		p.WriteByte('}')
	}
	p.WriteString(" " + text(number) + "\n")
}

// histogram writes how many observations there are up to each bound.
func (p *page) histogram(labels []string, of values, h *Histogram) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var count uint64
	for i, n := range h.counts {
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		count += n
		p.sample("_bucket", labels, of, "le", text(bound), float64(count))
	}
	p.line("_sum", labels, of, h.sum)
	p.line("_count", labels, of, float64(count))
}

func text(number float64) string {
	if math.IsInf(number, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(number, 'g', -1, 64)
}
