package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boxer.dev/builder"
	"boxer.dev/internal/registry"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
)

// remoteOptions are the flags of all commands that talk to registries.
type remoteOptions struct {
	insecure, quiet, referrers bool
	trust                      *trust                // nil: whatever is pulled is welcome
	codeKey                    *signature.PrivateKey // signs machine code that is pushed; nil: there is none
}

func (o *remoteOptions) bind(flags *pflag.FlagSet) {
	flags.BoolVar(&o.insecure, "insecure", false, insecureUsage)
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the result only")
}

func (o *remoteOptions) bindReferrers(flags *pflag.FlagSet) {
	flags.BoolVar(&o.referrers, "referrers", true, "take along what is attached to the box; =false leaves it")
}

// client makes a client of registries, which counts in stats.
func (a *app) client(o remoteOptions, stats *registry.Stats) *registry.Client {
	var admit func(context.Context, *registry.Candidate) error
	if o.trust != nil {
		admit = o.trust.admit
	}
	return registry.New(registry.Options{
		Admit: admit, Insecure: o.insecure, WithoutReferrers: !o.referrers, Known: builtInImages(), UserAgent: "boxer/" + version, Stats: stats,
		Backoff: registry.Backoff{Waiting: func(reason error, pause time.Duration) {
			a.warn(fmt.Errorf("%w; trying again in %s", reason, pause.Round(100*time.Millisecond)))
		}},
	})
}

// transfer shows what happens in a line that is written anew, on a terminal, and says in another how it ended.
func (a *app) transfer(o remoteOptions, doing, done, name string, do func(*registry.Client) (v1.Hash, error)) (v1.Hash, error) {
	stats := &registry.Stats{}
	stop := func() {}
	if _, ok := descriptor(a.stderr); ok && !o.quiet {
		stop = showTransfer(a.stderr, doing+" "+name, stats)
	}
	digest, err := do(a.client(o, stats))
	stop()
	if err != nil || o.quiet {
		return digest, err
	}
	fmt.Fprintf(a.stderr, "%s %s: %s\n", done, name, describeTransfer(stats))
	return digest, nil
}

// describeTransfer tells what moved and what did not have to.
func describeTransfer(stats *registry.Stats) string {
	parts := []string{size(stats.Bytes.Load()) + " transferred"}
	for _, part := range []struct {
		count int64
		text  string
	}{{stats.Moved.Load(), "moved"}, {stats.Mounted.Load(), "taken over from another repository"}, {stats.Present.Load(), "there already"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.text))
		}
	}
	return strings.Join(parts, ", ")
}

// showTransfer redraws a line until it is stopped, which clears it.
func showTransfer(w io.Writer, what string, stats *registry.Stats) (stop func()) {
	stopped, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stopped:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-ticker.C:
				fmt.Fprintf(w, "\r\x1b[K%s: %s of %s", printable(what), size(stats.Bytes.Load()), size(stats.Want.Load()))
			}
		}
	}()
	return sync.OnceFunc(func() { close(stopped); <-finished })
}

// pullOptions are the flags of commands that pull what they need.
type pullOptions struct {
	policy    pullPolicy
	insecure  bool
	verifyKey string // file of the key that must have signed what is run; empty: none
}

func (o *pullOptions) bind(command *cobra.Command) *pflag.Flag {
	command.Flags().BoolVar(&o.insecure, "insecure", false, insecureUsage)
	return o.policy.bind(command)
}

const insecureUsage = "allow plain HTTP, and certificates that nobody vouches for"

// pullPolicy is a value of --pull, docker's.
type pullPolicy string

const (
	pullMissing pullPolicy = "missing"
	pullAlways  pullPolicy = "always"
	pullNever   pullPolicy = "never"
)

func (p *pullPolicy) String() string { return string(*p) }
func (p *pullPolicy) Type() string   { return "policy" }

// Set accepts what `docker build --pull` takes, too.
func (p *pullPolicy) Set(value string) error {
	switch value {
	case "true":
		value = string(pullAlways)
	case "false":
		value = string(pullMissing)
	}
	switch *p = pullPolicy(value); *p {
	case pullMissing, pullAlways, pullNever:
		return nil
	}
	return errors.New("it takes always, missing or never")
}

func (p *pullPolicy) bind(command *cobra.Command) *pflag.Flag {
	*p = pullMissing
	command.RegisterFlagCompletionFunc("pull", cobra.FixedCompletions([]string{"always", "missing", "never"}, cobra.ShellCompDirectiveNoFileComp))
	return command.Flags().VarPF(p, "pull", "", "pull by `POLICY`: always, missing, never")
}

// puller is a builder.Images.Pull; show says whether a person watches the terminal for it.
func (a *app) puller(store *oci.Store, insecure, show bool) func(context.Context, string) (string, error) {
	return func(ctx context.Context, ref string) (string, error) {
		stats := &registry.Stats{}
		if _, ok := descriptor(a.stderr); ok && show {
			stop := showTransfer(a.stderr, "pulling "+ref, stats)
			defer stop()
		}
		_, err := a.client(remoteOptions{insecure: insecure}, stats).Pull(ctx, store, ref)
		return fmt.Sprintf("pulled %s: %s", ref, describeTransfer(stats)), err
	}
}

// pulling is fromImages with what the flags say of what the store lacks.
func (a *app) pulling(store *oci.Store, o pullOptions, show bool) builder.Images {
	images := a.fromImages(store)
	if o.policy != pullNever {
		images.Pull, images.PullAlways = a.puller(store, o.insecure, show), o.policy == pullAlways
	}
	return images
}
