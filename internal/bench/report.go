package bench

import (
	"encoding/json"
	"io"
	"maps"
	"strings"
	"time"
)

// Report is what one run of `boxer bench` found.
type Report struct {
	Date       time.Time
	Version    string // of boxer
	Quick      bool   // whether few measurements were taken
	Machine    Machine
	Noise      *Figure // of a process that does nothing, from start to end, in microseconds
	Contenders []Contender
	Sections   []*Section
}

// Contender is boxer or what it is compared with.
type Contender struct {
	Key      string // in JSON
	Name     string // as people read it
	Version  string
	Settings string            // how it is run, and that its documentation says so
	Missing  string            // why it is not there; "" if it is
	Can      map[string]string // by the key of an ability: "yes", "no", or how much of it

	FirstStart time.Duration // when it was installed; 0: not known
	Installed  int64         // bytes; 0: not known
}

// MarshalJSON gives the sections under their names. Of a report with a single section its fields stand at the top, beside the
// report's own.
func (r *Report) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	if len(r.Sections) == 1 {
		maps.Copy(out, r.Sections[0].fields())
	} else {
		for _, s := range r.Sections {
			out[s.Name] = s
		}
	}
	rivals := map[string]any{}
	for _, c := range r.Contenders {
		if c.Key != "boxer" {
			rivals[c.Key] = c.fields()
			continue
		}
		out["boxer"] = c.fields()
	}
	out["rivals"], out["machine"], out["noise_us"] = rivals, r.Machine, r.Noise
	out["date"], out["version"], out["quick"] = r.Date.Format(time.RFC3339), r.Version, r.Quick
	return json.Marshal(out)
}

func (c Contender) fields() map[string]any {
	out := map[string]any{"name": c.Name, "present": c.Missing == ""}
	for key, text := range map[string]string{"version": c.Version, "settings": c.Settings, "reason": c.Missing} {
		if text != "" {
			out[key] = text
		}
	}
	if c.Can != nil {
		out["can"] = c.Can
	}
	if c.FirstStart != 0 {
		out["first_start_seconds"] = c.FirstStart.Seconds()
	}
	if c.Installed != 0 {
		out["installed_bytes"] = c.Installed
	}
	return out
}

// WriteJSON prints the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// name is what a contender is called in tables.
func (r *Report) name(key string) string {
	for _, c := range r.Contenders {
		if c.Key == key {
			return c.Name
		}
	}
	if key == "boxer_process" {
		return "boxer"
	}
	return strings.ReplaceAll(key, "_", " ")
}
