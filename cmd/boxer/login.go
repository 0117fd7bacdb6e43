package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"boxer.dev/internal/registry"
)

type loginOptions struct {
	username, password string
	passwordStdin      bool
	insecure           bool
}

func loginCommand(a *app) *cobra.Command {
	var o loginOptions
	command := &cobra.Command{
		Use:   "login [OPTIONS] [REGISTRY]",
		Short: "Give boxer your name and password for a registry",
		Long: `Ask a registry (docker.io if none is named) whether it takes your name and password, and keep them
where docker does: with the credential helper that docker's configuration names, or in
~/.docker/config.json ($DOCKER_CONFIG). Docker and boxer share their logins.`,
		Example: `  boxer login ghcr.io
  echo "$TOKEN" | boxer login -u me --password-stdin ghcr.io`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, args []string) error {
			return a.login(command.Context(), o, strings.Join(args, ""))
		},
	}
	flags := command.Flags()
	flags.StringVarP(&o.username, "username", "u", "", "your `name`")
	flags.StringVarP(&o.password, "password", "p", "", "your `password`, which others on this machine can see")
	flags.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
	flags.BoolVar(&o.insecure, "insecure", false, insecureUsage)
	return command
}

func (a *app) login(ctx context.Context, o loginOptions, server string) error {
	host, err := registry.Host(server)
	if err != nil {
		return err
	}
	client := registry.New(registry.Options{Insecure: o.insecure, UserAgent: "boxer/" + version})
	if o.username == "" && o.password == "" && !o.passwordStdin {
		if saved, err := registry.Saved(host); err == nil && saved.Password != "" && client.Verify(ctx, host, saved) == nil {
			fmt.Fprintf(a.stdout, "Login Succeeded: %s is logged in to %s already\n", saved.Username, host)
			return nil
		}
	}
	credentials, err := a.credentials(o)
	if err != nil {
		return err
	}
	if err := client.Verify(ctx, host, credentials); err != nil {
		return err
	}
	if err := registry.Save(host, credentials); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "Login Succeeded")
	return nil
}

// credentials takes what flags say, and asks for the rest.
func (a *app) credentials(o loginOptions) (registry.Credentials, error) {
	none := registry.Credentials{}
	switch {
	case o.passwordStdin && o.password != "":
		return none, &usageError{err: errors.New("--password and --password-stdin exclude each other")}
	case o.passwordStdin && o.username == "":
		return none, &usageError{err: errors.New("--password-stdin needs --username")}
	case o.passwordStdin:
		password, err := io.ReadAll(io.LimitReader(a.stdin, maxLine))
		return registry.Credentials{Username: o.username, Password: strings.TrimRight(string(password), "\r\n")}, err
	}
	fd, terminal := descriptor(a.stdin)
	if !terminal && (o.username == "" || o.password == "") {
		return none, withHint(errors.New("there is no terminal to ask for a name and a password on"), "give them by --username and --password-stdin")
	}
	if o.username == "" {
		fmt.Fprint(a.stderr, "Username: ")
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil {
			return none, err
		}
		if o.username = strings.TrimSpace(line); o.username == "" {
			return none, errors.New("no name was given")
		}
	}
	if o.password == "" {
		var err error
		if o.password, err = a.askHidden(fd, "Password: "); err != nil {
			return none, err
		}
		if o.password == "" {
			return none, errors.New("no password was given")
		}
	}
	return registry.Credentials{Username: o.username, Password: o.password}, nil
}

// askHidden reads a line that is not shown. Ctrl-C gives the terminal its echo back.
func (a *app) askHidden(fd int, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	defer signal.Stop(interrupted)
	go func() {
		if _, ok := <-interrupted; ok {
			term.Restore(fd, before)
			fmt.Fprintln(a.stderr)
			os.Exit(130) // 128 + SIGINT, as a shell reports it
		}
	}()
	fmt.Fprint(a.stderr, prompt)
	password, err := term.ReadPassword(fd)
	fmt.Fprintln(a.stderr)
	return string(password), err
}

func logoutCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "logout [REGISTRY]",
		Short:             "Forget your name and password for a registry",
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			host, err := registry.Host(strings.Join(args, ""))
			if err != nil {
				return err
			}
			saved, err := registry.Saved(host)
			if err == nil && saved == (registry.Credentials{}) {
				fmt.Fprintf(a.stdout, "Not logged in to %s\n", host)
				return nil
			}
			if err := registry.Erase(host); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Removed login credentials for %s\n", host)
			return nil
		},
	}
}
