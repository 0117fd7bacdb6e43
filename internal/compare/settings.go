package compare

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Setting is something that the boxes' configurations say differently.
type Setting struct {
	Instruction string  `json:"instruction"`   // of a Boxfile that says it
	Key         string  `json:"key,omitempty"` // of what an instruction sets by name: ENV, LABEL, EXPOSE, VOLUME
	From        *string `json:"from"`          // as the instruction takes it; nil: not set
	To          *string `json:"to"`
}

// settings compares configurations.
func settings(from, to *v1.ConfigFile) []Setting {
	before, after := settingsOf(from), settingsOf(to)
	var all []Setting
	for _, s := range before.list {
		s.To = after.value(s.Instruction, s.Key)
		if s.To == nil || *s.To != *s.From {
			all = append(all, s)
		}
	}
	for _, s := range after.list {
		if before.value(s.Instruction, s.Key) == nil {
			all = append(all, Setting{s.Instruction, s.Key, nil, s.From})
		}
	}
	all = slices.DeleteFunc(all, func(s Setting) bool {
		return s.Instruction == "LABEL" && understood(s.Key, from.Config.Labels, to.Config.Labels)
	})
	slices.SortStableFunc(all, func(a, b Setting) int {
		if n := slices.Index(instructions, a.Instruction) - slices.Index(instructions, b.Instruction); n != 0 {
			return n
		}
		return strings.Compare(a.Key, b.Key)
	})
	return all
}

// instructions is the order in which differences are told.
var instructions = []string{
	"platform", "MAINTAINER", "ENV", "WORKDIR", "USER", "ENTRYPOINT", "CMD", "SHELL", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ONBUILD", "LABEL",
}

// configuration lists what one says; values are in From.
type configuration struct{ list []Setting }

func (c *configuration) add(instruction, key, value string) {
	c.list = append(c.list, Setting{instruction, key, &value, nil})
}

func (c *configuration) value(instruction, key string) *string {
	for _, s := range c.list {
		if s.Instruction == instruction && s.Key == key {
			return s.From
		}
	}
	return nil
}

func settingsOf(file *v1.ConfigFile) *configuration {
	c, config := &configuration{}, file.Config
	for _, text := range []struct{ instruction, value string }{
		{"platform", platform(file)}, {"MAINTAINER", file.Author}, {"WORKDIR", config.WorkingDir}, {"USER", config.User},
		{"STOPSIGNAL", config.StopSignal},
	} {
		if text.value != "" {
			c.add(text.instruction, "", text.value)
		}
	}
	for _, list := range []struct {
		instruction string
		words       []string
	}{{"ENTRYPOINT", config.Entrypoint}, {"CMD", config.Cmd}, {"SHELL", config.Shell}} {
		if list.words != nil {
			c.add(list.instruction, "", asJSON(list.words))
		}
	}
	for _, variable := range config.Env {
		name, value, _ := strings.Cut(variable, "=")
		c.add("ENV", name, name+"="+quoted(value))
	}
	for name, value := range config.Labels {
		c.add("LABEL", name, quoted(name)+"="+quoted(value))
	}
	for _, port := range slices.Sorted(maps.Keys(config.ExposedPorts)) {
		c.add("EXPOSE", port, port)
	}
	for _, volume := range slices.Sorted(maps.Keys(config.Volumes)) {
		c.add("VOLUME", volume, asJSON([]string{volume}))
	}
	for i, trigger := range config.OnBuild {
		c.add("ONBUILD", strconv.Itoa(i), trigger)
	}
	if config.Healthcheck != nil {
		c.add("HEALTHCHECK", "", asJSON(config.Healthcheck))
	}
	return c
}

func platform(file *v1.ConfigFile) string {
	if p := file.Platform(); p != nil {
		return p.String()
	}
	return ""
}

func asJSON(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// quoted gives a value as ENV and LABEL take it.
func quoted(value string) string {
	if value != "" && !strings.ContainsAny(value, " \t\n\r\"'\\$#") && strconv.CanBackquote(value) {
		return value
	}
	return asJSON(value)
}
