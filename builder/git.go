package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Repositories are fetched by the host's git, told to ask nobody for anything, to read no configuration and to run nothing of
// what it fetches: hooks, filters, file monitors.

// gitSettings go before those of the repository, the only others that are read.
var gitSettings = []string{
	"core.hooksPath=" + os.DevNull, "core.fsmonitor=false", "core.autocrlf=false", "core.attributesFile=" + os.DevNull,
	"credential.helper=", "init.templateDir=", "advice.detachedHead=false", "gc.auto=0", "maintenance.auto=false",
	"pack.threads=1", "submodule.recurse=false", "http.lowSpeedLimit=1", "http.lowSpeedTime=60",
}

// gitProtocols are those that an address can have.
const gitProtocols = "http:https:ssh:git"

// git is a repository being fetched.
type git struct {
	dir  string // the working tree
	home string // an empty directory
	tell func(line string)
}

// FetchGit fetches a repository's files into dir, an empty directory, and returns the commit that they are of. address is as
// ADD takes it: a URL or user@host:path, with #ref:subdirectory or a query. tell, if not nil, hears of each step.
func FetchGit(ctx context.Context, address, dir string, tell func(line string)) (root *os.Root, commit string, err error) {
	ref, ok, err := parseGitRef(address)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", fmt.Errorf("%s is not the address of a git repository", quote(address))
	}
	return fetchGit(ctx, ref, dir, tell)
}

func fetchGit(ctx context.Context, ref gitRef, dir string, tell func(string)) (*os.Root, string, error) {
	if tell == nil {
		tell = func(string) {}
	}
	tree, home := filepath.Join(dir, "tree"), filepath.Join(dir, "home")
	for _, d := range []string{tree, home} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, "", err
		}
	}
	g := git{dir: tree, home: home, tell: tell}
	commit, err := g.fetch(ctx, ref)
	if err != nil {
		return nil, "", fmt.Errorf("fetching %s: %w", quote(withoutPassword(ref.remote)), err)
	}
	if err := g.tidy(ctx, ref); err != nil {
		return nil, "", fmt.Errorf("fetching %s: %w", quote(withoutPassword(ref.remote)), err)
	}
	root, err := os.OpenRoot(tree)
	if err != nil || ref.subdir == "" {
		return root, commit, err
	}
	defer root.Close()
	sub, err := root.OpenRoot(filepath.FromSlash(path.Join(".", ref.subdir)))
	if err != nil {
		return nil, "", fmt.Errorf("%s has no directory %s", quote(withoutPassword(ref.remote)), quote(ref.subdir))
	}
	return sub, commit, nil
}

// withoutPassword makes an address fit for messages and histories.
func withoutPassword(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, _, secret := strings.Cut(host[:i], ":")
		if secret || scheme != "ssh" {
			user = "…"
		}
		host = user + host[i:]
	}
	if slash {
		path = "/" + path
	}
	return scheme + "://" + host + path
}

// fetch checks out what ref names and returns the commit.
func (g git) fetch(ctx context.Context, ref gitRef) (string, error) {
	if _, err := g.run(ctx, "init", "--quiet"); err != nil {
		return "", err
	}
	if _, err := g.run(ctx, "remote", "add", "origin", ref.remote); err != nil {
		return "", err
	}
	wanted := ref.ref
	if ref.fetchByCommit && ref.checksum != "" {
		wanted = ref.checksum
	}
	if wanted == "" {
		wanted = "HEAD"
	}
	g.tell(fmt.Sprintf("fetching %s of %s", quote(wanted), quote(withoutPassword(ref.remote))))
	if err := g.fetchRef(ctx, wanted); err != nil {
		return "", err
	}
	tag, err := g.run(ctx, "rev-parse", "FETCH_HEAD")
	if err != nil {
		return "", err
	}
	commit, err := g.run(ctx, "rev-parse", "FETCH_HEAD^{commit}")
	if err != nil {
		return "", err
	}
	if sum := strings.ToLower(ref.checksum); !strings.HasPrefix(commit, sum) && !strings.HasPrefix(tag, sum) {
		return "", withHint(fmt.Errorf("it is at commit %s, not %s", commit, quote(ref.checksum)), "was it changed since the checksum was taken?")
	}
	if _, err := g.run(ctx, "checkout", "--quiet", "--force", "--detach", commit); err != nil {
		return "", err
	}
	if ref.submodules == nil || *ref.submodules {
		if _, err := os.Lstat(filepath.Join(g.dir, ".gitmodules")); err == nil {
			g.tell("fetching its submodules")
			if _, err := g.run(ctx, "submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"); err != nil {
				return "", err
			}
		}
	}
	return commit, nil
}

// fetchRef fetches one version, without its history if the server allows that. Many do not give single commits away.
func (g git) fetchRef(ctx context.Context, wanted string) error {
	_, err := g.run(ctx, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", wanted)
	if err == nil || !isHex(wanted) || ctx.Err() != nil {
		return err
	}
	if _, err := g.run(ctx, "fetch", "--quiet", "--no-tags", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return err
	}
	commit, notThere := g.run(ctx, "rev-parse", "--verify", "--quiet", wanted+"^{commit}")
	if notThere != nil {
		return fmt.Errorf("it has no commit %s", quote(wanted))
	}
	return os.WriteFile(filepath.Join(g.dir, ".git", "FETCH_HEAD"), []byte(commit+"\t\tcommit\n"), 0o600)
}

func isHex(s string) bool {
	return len(s) >= 4 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// tidy takes out what differs from fetch to fetch: times, logs, the user's umask.
func (g git) tidy(ctx context.Context, ref gitRef) error {
	repository := filepath.Join(g.dir, ".git")
	if ref.keepGitDir == nil || !*ref.keepGitDir {
		if err := removeGitDirs(g.dir); err != nil {
			return err
		}
		return normalizeModes(g.dir)
	}
	if _, err := g.run(ctx, "repack", "-a", "-d", "-q"); err != nil {
		return err
	}
	for _, name := range []string{"index", "FETCH_HEAD", "ORIG_HEAD", "logs", "hooks"} {
		if err := os.RemoveAll(filepath.Join(repository, name)); err != nil {
			return err
		}
	}
	if _, err := g.run(ctx, "read-tree", "HEAD"); err != nil {
		return err
	}
	return normalizeModes(g.dir)
}

// removeGitDirs removes the repository, and the files by which submodules point into it.
func removeGitDirs(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == ".git" && d.Type().IsRegular() {
			return os.Remove(name)
		}
		return err
	})
}

// normalizeModes gives files the permissions that git knows: 0644 or 0755.
func normalizeModes(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&^fs.ModeDir != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return os.Chmod(name, mode)
	})
}

// run runs git and returns what it wrote, without the last newline.
func (g git) run(ctx context.Context, args ...string) (string, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", withHint(errors.New("there is no git program on this machine"), "install git, or fetch the files before the build and COPY them")
	}
	var all []string
	for _, setting := range gitSettings {
		all = append(all, "-c", setting)
	}
	command := exec.CommandContext(ctx, program, append(all, args...)...)
	command.Dir = g.dir
	command.Env = g.environment()
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err = command.Run()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", g.explain(args[0], problems.String(), err)
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

// passedOn are the variables of the host that fetching may need: where programs and the agent that holds ssh keys are, and
// which proxy to use.
var passedOn = []string{
	"PATH", "SSH_AUTH_SOCK", "SystemRoot", "TMPDIR", "TEMP", "TMP",
	"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
}

func (g git) environment() []string {
	env := []string{
		"HOME=" + g.home, "XDG_CONFIG_HOME=" + g.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "GIT_SSH_COMMAND=ssh -o BatchMode=yes",
		"GIT_ALLOW_PROTOCOL=" + gitProtocols, "GIT_LFS_SKIP_SMUDGE=1", "LC_ALL=C",
	}
	for _, name := range passedOn {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// explain makes what git complains about an error, with a hint where the reason is one that many meet.
func (g git) explain(command, problems string, err error) error {
	text := strings.TrimSpace(strings.ReplaceAll(problems, "fatal: ", ""))
	if text == "" {
		text = err.Error()
	}
	lines := strings.Split(text, "\n")
	failed := fmt.Errorf("git %s: %s", command, lines[len(lines)-1])
	switch {
	case strings.Contains(text, "could not read Username"), strings.Contains(text, "Authentication failed"), strings.Contains(text, "terminal prompts disabled"):
		return withHint(failed, "the repository is private or does not exist; git is not allowed to ask for a password here")
	case strings.Contains(text, "Permission denied (publickey"), strings.Contains(text, "Host key verification failed"):
		return withHint(failed, "ssh is not allowed to ask here: add the key to your agent, and the host to your known hosts, first")
	case strings.Contains(text, "couldn't find remote ref"):
		return withHint(failed, "after # comes a branch, a tag or a commit: URL#main, URL#v1.2:directory")
	}
	return failed
}
