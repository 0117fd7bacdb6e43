package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What docker has and a box has no use for. Each is known, so that a docker command line typed by habit
// gets a reason and a way on instead of "unknown flag".

const (
	noDaemon     = "a box has no daemon: it lives as long as `boxer run`; put it in the background with your shell or a service manager"
	noPrivileges = "a box has no privileges to gain: grant files with -v, variables with -e"
	noNetwork    = "a box has no network of its own"
	noKernel     = "a box has no kernel of its own: it runs inside the boxer process"
)

var refusedSubcommands = map[string]string{
	"attach": noDaemon, "commit": "build the change with a Boxfile instead", "create": noDaemon, "events": noDaemon,
	"exec": "nothing keeps running in a box; start another program with `boxer run BOX PROGRAM`", "kill": noDaemon,
	"logs": "a box writes to the terminal or file that `boxer run` was given", "network": noNetwork, "pause": noDaemon,
	"port": noNetwork, "ps": noDaemon, "rename": noDaemon, "restart": noDaemon, "start": noDaemon, "stats": "use `boxer run --stats`",
	"stop": noDaemon, "swarm": noDaemon, "top": noDaemon, "unpause": noDaemon, "update": noDaemon, "wait": noDaemon,
}

func refusedCommands() []*cobra.Command {
	var commands []*cobra.Command
	for name, hint := range refusedSubcommands {
		commands = append(commands, &cobra.Command{
			Use:                name,
			Hidden:             true,
			DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return withHint(fmt.Errorf("there is no `boxer %s`", name), "%s", hint)
			},
		})
	}
	return commands
}

type refusedFlag struct{ name, short, hint string }

// refusedRunFlags take no value; those of refusedRunValues take one.
var (
	refusedRunFlags = []refusedFlag{
		{"detach", "d", noDaemon}, {"privileged", "", noPrivileges}, {"publish-all", "P", noNetwork},
		{"init", "", noKernel}, {"oom-kill-disable", "", noKernel}, {"sig-proxy", "", "signals reach boxer itself, and end the box with it"},
	}
	refusedRunValues = []refusedFlag{
		{"publish", "p", noNetwork}, {"network", "", noNetwork}, {"net", "", noNetwork}, {"add-host", "", noNetwork}, {"dns", "", noNetwork},
		{"expose", "", noNetwork}, {"link", "", noNetwork}, {"ip", "", noNetwork}, {"mac-address", "", noNetwork},
		{"cap-add", "", noPrivileges}, {"cap-drop", "", "a box has no capabilities to drop"}, {"security-opt", "", noPrivileges},
		{"device", "", "a box has only the devices under its /dev"}, {"gpus", "", "a box has only the devices under its /dev"},
		{"ipc", "", noKernel}, {"pid", "", noKernel}, {"uts", "", noKernel}, {"userns", "", noKernel}, {"cgroupns", "", noKernel},
		{"cgroup-parent", "", noKernel}, {"sysctl", "", noKernel}, {"ulimit", "", noKernel}, {"shm-size", "", noKernel},
		{"restart", "", noDaemon}, {"cidfile", "", noDaemon}, {"log-driver", "", noDaemon}, {"stop-signal", "", noDaemon},
		{"health-cmd", "", noDaemon}, {"volumes-from", "", "name the volume: -v VOLUME:PATH"},
	}
)

// refuseFlags makes each known but impossible flag fail with its reason when it is given.
func refuseFlags(flags *pflag.FlagSet) {
	for _, f := range refusedRunFlags {
		flags.VarPF(&refusal{f}, f.name, f.short, "").NoOptDefVal = "true"
	}
	for _, f := range refusedRunValues {
		flags.VarP(&refusal{f}, f.name, f.short, "")
	}
	for _, f := range append(refusedRunFlags, refusedRunValues...) {
		flags.Lookup(f.name).Hidden = true
	}
}

// refusal is a flag's value that cannot be set.
type refusal struct{ flag refusedFlag }

func (r *refusal) String() string { return "" }
func (r *refusal) Type() string   { return "" }
func (r *refusal) Set(string) error {
	return withHint(fmt.Errorf("`boxer run` has no --%s", r.flag.name), "%s", r.flag.hint)
}
