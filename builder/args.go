package builder

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"boxer.dev/oci"
)

// ourPlatform is the platform of boxes as FROM --platform writes it.
var ourPlatform = oci.Platform.OS + "/" + oci.Platform.Architecture

const epochArg = "SOURCE_DATE_EPOCH"

// proxyArgs may be given with --build-arg without a Boxfile declaring them. RUN sees them, the image does not.
// https://docs.docker.com/reference/dockerfile/#predefined-args
var proxyArgs = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
}

// environment is an ordered list of KEY=value in which a key occurs once. It is never changed in place.
type environment []string

func (e environment) Get(key string) (string, bool) {
	for _, kv := range e {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v, true
		}
	}
	return "", false
}

// Keys completes shell.EnvGetter.
func (e environment) Keys() []string {
	keys := make([]string, len(e))
	for i, kv := range e {
		keys[i], _, _ = strings.Cut(kv, "=")
	}
	return keys
}

// with returns e with key set to value, at its old place if it has one.
func (e environment) with(key, value string) environment {
	kv := key + "=" + value
	for i, old := range e {
		if k, _, _ := strings.Cut(old, "="); k == key {
			out := slices.Clone(e)
			out[i] = kv
			return out
		}
	}
	return append(slices.Clip(e), kv)
}

// platformArgs are the variables that describe the platform. That of the build is the box's own: an image must not depend on
// the machine it was built on.
func platformArgs(stage string) environment {
	if stage == "" {
		stage = "default"
	}
	var env environment
	for _, prefix := range []string{"BUILD", "TARGET"} {
		env = env.with(prefix+"PLATFORM", ourPlatform)
		env = env.with(prefix+"OS", oci.Platform.OS)
		env = env.with(prefix+"OSVERSION", "")
		env = env.with(prefix+"ARCH", oci.Platform.Architecture)
		env = env.with(prefix+"VARIANT", "")
	}
	return env.with("TARGETSTAGE", stage)
}

// setGlobalArgs sets the variables that FROM can use, and that a stage inherits by naming them in ARG.
func (b *build) setGlobalArgs() (err error) {
	b.global, err = b.globalArgs(b.arg)
	return err
}

// globalArgs are the global variables if given tells what --build-arg says.
func (b *build) globalArgs(given func(key string) (string, bool)) (environment, error) {
	target := b.opts.Target
	if target == "" {
		target = b.program.stages[len(b.program.stages)-1].Name
	}
	env := platformArgs(target)
	for _, key := range env.Keys() {
		if v, ok := given(key); ok {
			env = env.with(key, v)
		}
	}
	words := b.words()
	for _, in := range b.program.args {
		c, ok := in.cmd.(*instructions.ArgCommand)
		if !ok {
			return nil, b.file.errorAt(in.line, in.name, errors.New("unexpected form"))
		}
		for _, arg := range c.Args {
			if v, ok := given(arg.Key); ok {
				env = env.with(arg.Key, v)
			} else if arg.Value != nil {
				v, _, err := words.one(*arg.Value, env)
				if err != nil {
					return nil, b.file.errorAt(in.line, in.name, err)
				}
				env = env.with(arg.Key, v)
			}
		}
	}
	return env, nil
}

// arg returns the value given for a build argument, and remembers that it was asked for.
func (b *build) arg(key string) (string, bool) {
	v, ok := b.opts.Args[key]
	if ok {
		b.lock.Lock()
		defer b.lock.Unlock()
		b.argsUsed[key] = true
	}
	return v, ok
}

// warnOfUnusedArgs names the arguments that nothing in the Boxfile declares: a slip more often than not.
func (b *build) warnOfUnusedArgs() {
	declared := b.declaredArgs()
	for _, key := range slices.Sorted(maps.Keys(b.opts.Args)) {
		if b.argsUsed[key] || slices.Contains(declared, key) || slices.Contains(proxyArgs, key) || key == epochArg || strings.HasPrefix(key, "BUILDKIT_") {
			continue
		}
		text := fmt.Sprintf("build argument %s was not used: no ARG declares it", quote(key))
		if near := nearest(key, declared); near != "" {
			text += "; did you mean " + near + "?"
		}
		b.warn(Warning{Text: text})
	}
}

// declaredArgs are the names in all ARG instructions, those of stages that are not built included.
func (b *build) declaredArgs() []string {
	var names []string
	collect := func(steps []*instruction) {
		for _, in := range steps {
			if c, ok := in.cmd.(*instructions.ArgCommand); ok {
				for _, arg := range c.Args {
					names = append(names, arg.Key)
				}
			}
		}
	}
	collect(b.program.args)
	for _, st := range b.program.stages {
		collect(st.steps)
	}
	return names
}

// parseEpoch reads SOURCE_DATE_EPOCH: seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch/).
func parseEpoch(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, withHint(fmt.Errorf("bad %s %q", epochArg, s), "it is a number of seconds since 1970-01-01 UTC")
	}
	// The last second that the dates of an image's configuration (RFC 3339) can tell.
	if t := time.Unix(n, 0).UTC(); t.Year() <= 9999 {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("bad %s %q: after the year 9999", epochArg, s)
}
