package builder

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Instructions that change an image's configuration and no file (but WORKDIR, which makes its directory). What they write into
// the history is what docker build writes, so that `history` reads the same.

// note records an instruction that left no layer.
func (s *stage) note(createdBy string) {
	s.record(createdBy, nil)
}

// record appends a history entry, and a layer if there is one.
func (s *stage) record(createdBy string, layer v1.Layer) {
	s.added = append(s.added, mutate.Addendum{
		Layer: layer,
		History: v1.History{
			Created:    v1.Time{Time: s.build.epoch},
			CreatedBy:  strings.ToValidUTF8(createdBy, "\uFFFD"),
			EmptyLayer: layer == nil,
		},
	})
}

func runArg(_ context.Context, s *stage, _ *instruction, c *instructions.ArgCommand) error {
	var shown []string
	for _, arg := range c.Args {
		value, ok, err := s.argValue(arg)
		if err != nil {
			return err
		}
		text := arg.Key
		if ok {
			s.env = s.env.with(arg.Key, value)
			text += "=" + value
		}
		s.args = s.args.with(arg.Key, value)
		shown = append(shown, text)
	}
	s.note("ARG " + strings.Join(shown, " "))
	return nil
}

// argValue is the value of an ARG: what --build-arg says, or its default, or that of the ARG of the same name before FROM.
func (s *stage) argValue(arg instructions.KeyValuePairOptional) (value string, ok bool, err error) {
	if v, ok := s.build.arg(arg.Key); ok {
		return v, true, nil
	}
	if arg.Value == nil {
		v, ok := s.build.global.Get(arg.Key)
		return v, ok, nil
	}
	value, err = s.expandWord(*arg.Value)
	return value, true, err
}

func runEnv(_ context.Context, s *stage, _ *instruction, c *instructions.EnvCommand) error {
	text := "ENV"
	for _, kv := range c.Env {
		if strings.ContainsRune(kv.Key, '=') {
			return fmt.Errorf("bad variable name %s", quote(kv.Key))
		}
		s.setEnv(kv.Key, kv.Value)
		text += " " + kv.String()
	}
	s.note(text)
	return nil
}

func runLabel(_ context.Context, s *stage, _ *instruction, c *instructions.LabelCommand) error {
	if s.config.Labels == nil {
		s.config.Labels = map[string]string{}
	}
	text := "LABEL"
	for _, kv := range c.Labels {
		s.config.Labels[kv.Key] = kv.Value
		text += " " + kv.String()
	}
	s.note(text)
	return nil
}

func runMaintainer(_ context.Context, s *stage, _ *instruction, c *instructions.MaintainerCommand) error {
	s.author = c.Maintainer
	s.note("MAINTAINER " + c.Maintainer)
	return nil
}

// commandLine is the argv of a CMD, an ENTRYPOINT or a RUN.
func (s *stage) commandLine(c instructions.ShellDependantCmdLine) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	return append(s.shell(), strings.Join(c.CmdLine, " "))
}

func (s *stage) shell() []string {
	if len(s.config.Shell) == 0 {
		return []string{"/bin/sh", "-c"}
	}
	return slices.Clone(s.config.Shell)
}

func runCmd(_ context.Context, s *stage, _ *instruction, c *instructions.CmdCommand) error {
	s.config.Cmd = s.commandLine(c.ShellDependantCmdLine)
	s.cmdSet = true
	s.note(fmt.Sprintf("CMD %q", s.config.Cmd))
	return nil
}

func runEntrypoint(_ context.Context, s *stage, _ *instruction, c *instructions.EntrypointCommand) error {
	s.config.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
	// The base's CMD was meant for the base's entry point.
	if !s.cmdSet {
		s.config.Cmd = nil
	}
	s.note(fmt.Sprintf("ENTRYPOINT %q", s.config.Entrypoint))
	return nil
}

func runShell(_ context.Context, s *stage, _ *instruction, c *instructions.ShellCommand) error {
	s.config.Shell = slices.Clone(c.Shell)
	s.note(fmt.Sprintf("SHELL %v", c.Shell))
	return nil
}

// runHealthcheck records how to ask a box for its health. Whatever starts boxes may do so; boxer itself does not.
func runHealthcheck(_ context.Context, s *stage, _ *instruction, c *instructions.HealthCheckCommand) error {
	check := v1.HealthConfig{
		Test:     slices.Clone(c.Health.Test),
		Interval: c.Health.Interval, Timeout: c.Health.Timeout,
		StartPeriod: c.Health.StartPeriod, Retries: c.Health.Retries,
	}
	s.startInterval = c.Health.StartInterval
	s.config.Healthcheck = &check
	s.note(fmt.Sprintf("HEALTHCHECK %+v", *c.Health))
	return nil
}

func runUser(_ context.Context, s *stage, _ *instruction, c *instructions.UserCommand) error {
	if strings.TrimSpace(c.User) == "" {
		return errors.New("no user is named")
	}
	s.config.User = c.User
	s.note("USER " + c.User)
	return nil
}

func runVolume(_ context.Context, s *stage, _ *instruction, c *instructions.VolumeCommand) error {
	if s.config.Volumes == nil {
		s.config.Volumes = map[string]struct{}{}
	}
	for _, v := range c.Volumes {
		if v == "" {
			return errors.New("no path is given")
		}
		s.config.Volumes[v] = struct{}{}
	}
	s.note(fmt.Sprintf("VOLUME %v", c.Volumes))
	return nil
}

func runExpose(_ context.Context, s *stage, _ *instruction, c *instructions.ExposeCommand) error {
	if s.config.ExposedPorts == nil {
		s.config.ExposedPorts = map[string]struct{}{}
	}
	var shown []string
	for _, word := range c.Ports {
		specs, err := s.expandWords(word)
		if err != nil {
			return err
		}
		for _, spec := range specs {
			s.lintPort(spec, protocolOf(spec))
			// docker build takes -p's notation too, and of it the port of the container alone.
			ports, err := parsePorts(spec[strings.LastIndexByte(spec, ':')+1:])
			if err != nil {
				return err
			}
			shown = append(shown, ports...)
		}
	}
	for _, port := range shown {
		s.config.ExposedPorts[port] = struct{}{}
	}
	s.note(fmt.Sprintf("EXPOSE %v", shown))
	return nil
}

func protocolOf(spec string) string {
	_, protocol, _ := strings.Cut(spec, "/")
	return protocol
}

// parsePorts reads PORT[-PORT][/PROTOCOL].
func parsePorts(spec string) ([]string, error) {
	rng, protocol, _ := strings.Cut(spec, "/")
	switch protocol = strings.ToLower(protocol); protocol {
	case "":
		protocol = "tcp"
	case "tcp", "udp", "sctp":
	default:
		return nil, withHint(fmt.Errorf("bad port %s: unknown protocol", quote(spec)), "protocols are tcp, udp and sctp")
	}
	first, last, isRange := strings.Cut(rng, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || from > to {
		return nil, withHint(fmt.Errorf("bad port %s", quote(spec)), "write 8080, 8080/udp or 8000-8010")
	}
	var ports []string
	for p := from; p <= to; p++ {
		ports = append(ports, strconv.FormatUint(p, 10)+"/"+protocol)
	}
	return ports, nil
}

func runStopSignal(_ context.Context, s *stage, _ *instruction, c *instructions.StopSignalCommand) error {
	if !isSignal(c.Signal) {
		return withHint(fmt.Errorf("unknown signal %s", quote(c.Signal)), "write a number from 1 to 64 or a name such as SIGTERM")
	}
	s.config.StopSignal = c.Signal
	s.note("STOPSIGNAL " + c.Signal)
	return nil
}

// signals are the names of signal(7), Linux; the real-time signals come on top.
var signals = strings.Fields("ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP " +
	"SYS TERM TRAP TSTP TTIN TTOU UNUSED URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX")

func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n, ok := strings.CutPrefix(name, "RTMIN+"); ok {
		i, err := strconv.ParseUint(n, 10, 8)
		return err == nil && i <= 15
	}
	if n, ok := strings.CutPrefix(name, "RTMAX-"); ok {
		i, err := strconv.ParseUint(n, 10, 8)
		return err == nil && i <= 14
	}
	return slices.Contains(signals, name)
}

func runWorkdir(ctx context.Context, s *stage, _ *instruction, c *instructions.WorkdirCommand) error {
	dir := s.inWorkdir(c.Path)
	s.config.WorkingDir = dir
	return s.change(ctx, s.seed.with("workdir", dir, s.config.User), "WORKDIR "+dir, func() (*madeLayer, error) {
		e, err := s.edit()
		if err != nil {
			return nil, err
		}
		uid, gid, err := s.lookUpUser(e.tree, s.config.User)
		if err != nil {
			return nil, err
		}
		if err := e.mkdirAll(dir, uid, gid); err != nil {
			return nil, err
		}
		return s.commit(ctx, e)
	})
}

// inWorkdir makes a path of the box absolute and clean.
func (s *stage) inWorkdir(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", s.config.WorkingDir, p)
}
