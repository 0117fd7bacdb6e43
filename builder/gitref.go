package builder

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// gitRef is what the address of a repository says, in either of BuildKit's forms: URL#ref:directory and URL?ref=…&subdir=…
// (https://docs.docker.com/build/concepts/context/#url-queries).
type gitRef struct {
	remote        string // what git is given
	ref           string // branch, tag, commit or full name; empty: the default branch
	subdir        string
	checksum      string // of the commit, or its beginning
	keepGitDir    *bool
	submodules    *bool
	fetchByCommit bool
}

// remote says what an address is of; empty: it is no address, but a name in the context.
func remote(src string) string {
	if _, ok, _ := parseGitRef(src); ok {
		return "a git repository"
	}
	if isWeb(src) {
		return "a URL"
	}
	return ""
}

func isWeb(src string) bool {
	return strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://")
}

// parseGitRef reads an address. ok is whether it is one of a repository, even if it is not a valid one.
func parseGitRef(src string) (g gitRef, ok bool, err error) {
	var u *url.URL
	if scheme, _, found := strings.Cut(src, "://"); found && scheme != "" && consistsOf(scheme, "") {
		if !slices.Contains([]string{"http", "https", "ssh", "git"}, strings.ToLower(scheme)) {
			return g, false, nil
		}
		if u, err = url.Parse(src); err != nil {
			return g, false, nil
		}
		if strings.HasPrefix(u.Scheme, "http") && !strings.HasSuffix(u.Path, ".git") {
			return g, false, nil
		}
		bare := *u
		bare.Fragment, bare.RawFragment, bare.RawQuery = "", "", ""
		g.remote = bare.String()
	} else if u, g.remote, found = parseSCP(src); !found {
		return g, false, nil
	}
	if u.Fragment != "" {
		ref, subdir, _ := strings.Cut(u.Fragment, ":")
		g.ref, g.subdir = ref, strings.TrimPrefix(path.Join("/", subdir), "/")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		query = u.Query() // as much of it as can be read, as BuildKit does
	}
	if err := g.setQuery(query); err != nil {
		return g, true, fmt.Errorf("%s: %w", quote(src), err)
	}
	return g, true, g.check()
}

// parseSCP reads user@host:path, the form of scp(1) that git takes too.
func parseSCP(src string) (u *url.URL, remote string, ok bool) {
	user, rest, ok := strings.Cut(src, "@")
	host, rest, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || user == "" || host == "" || !consistsOf(user, "-_") || !consistsOf(host, "-.") || strings.Contains(rest, "\n") {
		return nil, "", false
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	if _, err := url.ParseQuery(query); err != nil {
		return nil, "", false
	}
	return &url.URL{Fragment: fragment, RawQuery: query}, user + "@" + host + ":" + rest, true
}

// consistsOf is whether s is made of ASCII letters, digits and the others given.
func consistsOf(s, others string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(others, r))
	}) < 0
}

// setQuery takes over what the query says, in a fixed order.
func (g *gitRef) setQuery(query url.Values) error {
	var refs []string // each names the same thing, or there is a conflict
	for _, key := range slices.Sorted(maps.Keys(query)) {
		values := query[key]
		if len(values) > 1 {
			return fmt.Errorf("several values for %s", quote(key))
		}
		v := values[0]
		var err error
		switch key {
		case "ref":
			refs = append(refs, v)
		case "tag":
			refs = append(refs, withPrefix(v, "refs/tags/"))
		case "branch":
			refs = append(refs, withPrefix(v, "refs/heads/"))
		case "subdir":
			if g.subdir != "" && g.subdir != v {
				return fmt.Errorf("two directories: %s and %s", quote(g.subdir), quote(v))
			}
			g.subdir = v
		case "checksum", "commit":
			g.checksum = v
		case "keep-git-dir":
			g.keepGitDir, err = parseSwitch(v)
		case "submodules":
			g.submodules, err = parseSwitch(v)
		case "fetch-by-commit":
			var on *bool
			if on, err = parseSwitch(v); err == nil {
				g.fetchByCommit = *on
			}
			v = "true"
		case "mtime":
			if v != "checkout" && v != "commit" {
				err = errors.New("checkout or commit")
			}
		default:
			return withHint(fmt.Errorf("unknown query %s", quote(key)), "there are ref, tag, branch, subdir, checksum, commit, submodules and keep-git-dir")
		}
		if err != nil {
			return fmt.Errorf("bad %s %s: %w", key, quote(v), err)
		}
		if v == "" && key != "keep-git-dir" && key != "submodules" {
			return fmt.Errorf("%s has no value", key)
		}
	}
	return g.setRef(refs)
}

func (g *gitRef) setRef(refs []string) error {
	for _, ref := range refs {
		if g.ref != "" && g.ref != ref {
			return fmt.Errorf("two versions: %s and %s", quote(g.ref), quote(ref))
		}
		g.ref = ref
	}
	return nil
}

func withPrefix(s, prefix string) string {
	if s == "" {
		return ""
	}
	return prefix + strings.TrimPrefix(s, prefix)
}

// parseSwitch reads a query that may stand alone.
func parseSwitch(v string) (*bool, error) {
	on := true
	if v == "" {
		return &on, nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return nil, errors.New("true or false")
	}
	return &on, nil
}

// check refuses what git could take for an option.
func (g *gitRef) check() error {
	for _, s := range []string{g.remote, g.ref, g.checksum} {
		if strings.HasPrefix(s, "-") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
			return fmt.Errorf("%s is not the name of anything in a repository", quote(s))
		}
	}
	return nil
}
