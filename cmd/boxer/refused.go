package main

import (
	"fmt"
	"maps"
	"slices"

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
	noDevices    = "a box has only the devices under its /dev"
	noLimits     = "a box is bounded by --limit NAME=VALUE (`boxer run --help`), or LIMIT in its Boxfile"
	inBoxfile    = "say it in the Boxfile: LABEL, STOPSIGNAL"
	useVolume    = "a directory, a file or a named volume is mounted with -v"
	onePlatform  = "there is one platform, wasip1/wasm; leave the flag out"
)

// refusedSubcommands are docker's commands that boxer lacks, and why.
func refusedSubcommands() map[string]string {
	return map[string]string{
		"attach": noDaemon, "commit": "build the change with a Boxfile instead", "create": noDaemon, "events": noDaemon,
		"exec": "nothing keeps running in a box; start another program with `boxer run BOX PROGRAM`", "kill": noDaemon,
		"logs": "a box writes to the terminal or file that `boxer run` was given", "network": noNetwork, "pause": noDaemon,
		"port": noNetwork, "ps": noDaemon, "rename": noDaemon, "restart": noDaemon, "start": noDaemon, "stats": "use `boxer run --stats`",
		"stop": noDaemon, "swarm": noDaemon, "top": noDaemon, "unpause": noDaemon, "update": noDaemon, "wait": noDaemon,

		"builder": "`boxer prune` empties the cache of builds, `boxer du` shows it", "buildx": "use `boxer build`", "compose": "start each box with `boxer run`",
		"container": noDaemon, "context": "boxer has no daemon to choose", "import": "use `boxer load`, or ADD the archive in a Boxfile",
		"image": "use `boxer images`, `rmi`, `tag`, `inspect`, `history`, `save` or `load`", "info": "use `boxer version`",
		"manifest": "`boxer inspect` shows a box of the local store", "search": "registries have search pages of their own",
		"plugin": noDaemon, "system": "use `boxer du`, `boxer prune`, `boxer rm` and `boxer volume prune`",
	}
}

func refusedCommands() []*cobra.Command {
	var commands []*cobra.Command
	reasons := refusedSubcommands()
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		commands = append(commands, &cobra.Command{
			Use:                name,
			Hidden:             true,
			DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return withHint(fmt.Errorf("there is no `boxer %s`", name), "%s", reasons[name])
			},
		})
	}
	return commands
}

type refusedFlag struct{ name, short, hint string }

// refused…Flags take no value; those of refused…Values take one.
var (
	refusedRunFlags = []refusedFlag{
		{"detach", "d", noDaemon}, {"privileged", "", noPrivileges}, {"publish-all", "P", noNetwork},
		{"init", "", noKernel}, {"oom-kill-disable", "", noKernel}, {"sig-proxy", "", "signals reach boxer itself, and end the box with it"},
		{"no-healthcheck", "", "boxes have no health checks; leave it out"}, {"quiet", "q", "pulling is shown on terminals only; leave it out"},
		{"disable-content-trust", "", "what is pulled is checked by its digest; leave it out"},
	}
	refusedRunValues = []refusedFlag{
		{"publish", "p", noNetwork}, {"net", "", noNetwork}, {"add-host", "", noNetwork}, {"dns", "", noNetwork},
		{"dns-option", "", noNetwork}, {"dns-search", "", noNetwork}, {"network-alias", "", noNetwork},
		{"expose", "", noNetwork}, {"link", "", noNetwork}, {"ip", "", noNetwork}, {"ip6", "", noNetwork}, {"mac-address", "", noNetwork},
		{"hostname", "", noNetwork}, {"domainname", "", noNetwork},
		{"cap-add", "", noPrivileges}, {"cap-drop", "", "a box has no capabilities to drop"}, {"security-opt", "", noPrivileges},
		{"group-add", "", noPrivileges}, {"device", "", noDevices}, {"gpus", "", noDevices},
		{"ipc", "", noKernel}, {"pid", "", noKernel}, {"uts", "", noKernel}, {"userns", "", noKernel}, {"cgroupns", "", noKernel},
		{"cgroup-parent", "", noKernel}, {"sysctl", "", noKernel}, {"ulimit", "", noLimits}, {"shm-size", "", noKernel},
		{"runtime", "", noKernel}, {"isolation", "", noKernel},
		{"memory-swap", "", noLimits}, {"memory-reservation", "", noLimits}, {"cpus", "", noLimits},
		{"cpu-shares", "c", noLimits}, {"cpuset-cpus", "", noLimits}, {"cpu-quota", "", noLimits}, {"cpu-period", "", noLimits},
		{"pids-limit", "", "a box has one process"}, {"blkio-weight", "", noLimits}, {"storage-opt", "", noLimits},
		{"restart", "", noDaemon}, {"cidfile", "", noDaemon}, {"log-driver", "", noDaemon}, {"log-opt", "", noDaemon},
		{"stop-signal", "", noDaemon}, {"stop-timeout", "", noDaemon}, {"attach", "a", noDaemon}, {"detach-keys", "", noDaemon},
		{"label", "l", inBoxfile}, {"label-file", "", inBoxfile}, {"annotation", "", inBoxfile},
		{"health-cmd", "", noDaemon}, {"volumes-from", "", "name the volume: -v VOLUME:PATH"}, {"volume-driver", "", useVolume},
		{"mount", "", useVolume}, {"tmpfs", "", "whatever a box does not mount is in memory already; leave it out"},
		{"platform", "", onePlatform},
	}

	refusedBuildFlags = []refusedFlag{
		{"push", "", "`boxer push` it when it is built"}, {"squash", "", "each instruction that changes files is a layer"},
		{"compress", "", "the context is read in place; leave it out"},
	}
	refusedBuildValues = []refusedFlag{
		{"platform", "", onePlatform}, {"network", "", noNetwork}, {"add-host", "", noNetwork},
		{"ssh", "", "a build has no network to use a key on; a key that a command needs as a file is a secret: --secret id=NAME,src=FILE"},
		{"memory", "m", noLimits}, {"ulimit", "", noLimits}, {"shm-size", "", noLimits}, {"cpuset-cpus", "", noLimits},
		{"security-opt", "", noPrivileges}, {"allow", "", noPrivileges}, {"builder", "", "there is one builder; leave it out"},
	}
)

// acceptedBuildFlags ask for what every build does.
var acceptedBuildFlags = []string{"force-rm", "rm"}

func acceptFlags(flags *pflag.FlagSet, names []string) {
	for _, name := range names {
		flags.Bool(name, true, "")
		flags.Lookup(name).Hidden = true
	}
}

// refuseFlags makes each known but impossible flag of a command fail with its reason when it is given.
func refuseFlags(command *cobra.Command, plain, valued []refusedFlag) {
	flags := command.Flags()
	for _, f := range plain {
		flags.VarPF(&refusal{command, f}, f.name, f.short, "").NoOptDefVal = "true"
	}
	for _, f := range valued {
		flags.VarP(&refusal{command, f}, f.name, f.short, "")
	}
	for _, f := range slices.Concat(plain, valued) {
		flags.Lookup(f.name).Hidden = true
	}
}

// refusal is a flag's value that cannot be set.
type refusal struct {
	command *cobra.Command
	flag    refusedFlag
}

func (r *refusal) String() string { return "" }
func (r *refusal) Type() string   { return "" }
func (r *refusal) Set(string) error {
	return withHint(fmt.Errorf("`%s` has no --%s", r.command.CommandPath(), r.flag.name), "%s", r.flag.hint)
}
