package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret bounds a secret as BuildKit does.
const maxSecret = 500 << 10

// secret is where a secret of a build comes from: a file, or a variable of the environment.
type secret struct{ file, variable string }

// buildSecrets are the secrets of a build by their ids.
type buildSecrets map[string]secret

// find is builder.Options.Secret.
func (b buildSecrets) find(id string) (data []byte, ok bool, err error) {
	s, ok := b[id]
	if !ok {
		return nil, false, nil
	}
	data, err = s.read()
	return data, true, err
}

// secrets reads docker's --secret id=NAME[,src=FILE|,env=VARIABLE]. With neither it is the variable of that name if there is
// one, else the file. Files are looked for now, so that a build does not fail halfway for want of one.
func secrets(specs []string) (buildSecrets, error) {
	all := buildSecrets{}
	for _, spec := range specs {
		id, s, err := parseSecret(spec)
		if err != nil {
			return nil, &usageError{err: fmt.Errorf("invalid --secret %q: %w; it takes id=NAME,src=FILE or id=NAME,env=VARIABLE", spec, err)}
		}
		if s.file != "" {
			if _, err := os.Stat(s.file); err != nil {
				return nil, fmt.Errorf("secret %s: %w", id, err)
			}
		}
		all[id] = s
	}
	return all, nil
}

func parseSecret(spec string) (id string, s secret, err error) {
	fields, err := csv.NewReader(strings.NewReader(spec)).Read()
	if err != nil {
		return "", s, errors.New("it is not a list of NAME=value")
	}
	kind := ""
	for _, field := range fields {
		name, value, ok := strings.Cut(field, "=")
		switch name = strings.ToLower(name); {
		case !ok || value == "":
			return "", s, fmt.Errorf("%q has no value", field)
		case name == "type" && (value == "file" || value == "env"):
			kind = value
		case name == "id":
			id = value
		case name == "source", name == "src":
			s.file = value
		case name == "env":
			s.variable = value
		default:
			return "", s, fmt.Errorf("unexpected %q", field)
		}
	}
	switch {
	case id == "":
		return "", s, errors.New("it has no id")
	case kind == "env" && s.variable == "": // src names the variable then
		s.variable, s.file = s.file, ""
	}
	if s.variable != "" && s.file != "" {
		return "", s, errors.New("it has two sources")
	}
	if s.variable == "" && s.file == "" {
		if _, set := os.LookupEnv(id); set || kind == "env" {
			s.variable = id
		} else {
			s.file = id
		}
	}
	return id, s, nil
}

// read is the secret itself. No error holds any of it.
func (s secret) read() ([]byte, error) {
	if s.file == "" {
		value, ok := os.LookupEnv(s.variable)
		if !ok {
			return nil, fmt.Errorf("the variable %s is not set", s.variable)
		}
		return []byte(value), nil
	}
	file, err := os.Open(s.file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err == nil && len(data) > maxSecret {
		err = fmt.Errorf("%s is larger than %d KiB", s.file, maxSecret>>10)
	}
	return data, err
}
