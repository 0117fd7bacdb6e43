// Package provenance says how a box was built: SLSA provenance, version 1 (https://slsa.dev/spec/v1.0/provenance), as an in-toto
// statement.
//
// The same build gives the same statement. There is no time in it, nor anything of the machine: a box follows from its inputs.
package provenance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/intoto"
)

const (
	// PredicateType is that of SLSA provenance.
	PredicateType = "https://slsa.dev/provenance/v1"
	// BuildType says how the rest is to be understood; docs/supply-chain.md describes it.
	BuildType = "https://boxer.dev/build/boxfile/v1"

	builderID = "https://boxer.dev/boxer"
)

// Build is what a box was built from. No secret is in it, only their ids.
type Build struct {
	Boxfile       string // its name, as it was given
	BoxfileDigest v1.Hash
	Context       v1.Hash // zero: there was none
	Contexts      []Input // further ones, by name
	Bases         []Input // what FROM and COPY --from named
	Wheels        v1.Hash // packages that RUN could install; zero: none
	Args          map[string]string
	Target        string
	Secrets       []string // ids
	Labels        map[string]string
	Annotations   map[string]string
	Compression   string
	Version       string // of boxer
}

// Input is something that a build was given under a name.
type Input struct {
	Name   string
	Digest v1.Hash // zero: unknown
}

type predicate struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   parameters        `json:"externalParameters"`
	InternalParameters   internal          `json:"internalParameters"`
	ResolvedDependencies []intoto.Resource `json:"resolvedDependencies,omitempty"`
}

// parameters are what whoever built the box chose.
type parameters struct {
	Boxfile     intoto.Resource   `json:"boxfile"`
	Args        map[string]string `json:"args,omitempty"`
	Target      string            `json:"target,omitempty"`
	Secrets     []string          `json:"secrets,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type internal struct {
	Compression string `json:"compression"`
}

type runDetails struct {
	Builder  builder  `json:"builder"`
	Metadata metadata `json:"metadata"`
}

type builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// metadata has what SLSA 0.2 had a field for and 1.0 has not, under a name that it leaves to others.
type metadata struct {
	Reproducible bool `json:"boxer_reproducible"`
}

// Statement says that a box was built so.
func (b *Build) Statement(box v1.Hash) (*intoto.Statement, error) {
	slices.Sort(b.Secrets)
	return intoto.New(box, PredicateType, predicate{
		BuildDefinition: buildDefinition{
			BuildType: BuildType,
			ExternalParameters: parameters{
				Boxfile: intoto.Resource{Name: b.Boxfile, Digest: intoto.Digest(b.BoxfileDigest)},
				Args:    b.Args, Target: b.Target, Secrets: b.Secrets, Labels: b.Labels, Annotations: b.Annotations,
			},
			InternalParameters:   internal{Compression: b.Compression},
			ResolvedDependencies: b.dependencies(),
		},
		RunDetails: runDetails{
			Builder:  builder{ID: builderID, Version: map[string]string{"boxer": b.Version}},
			Metadata: metadata{Reproducible: b.Reproducible()},
		},
	})
}

// Reproducible tells whether all that the box follows from is known by its digest. Secrets are not.
func (b *Build) Reproducible() bool {
	unknown := func(i Input) bool { return i.Digest == v1.Hash{} }
	return len(b.Secrets) == 0 && !slices.ContainsFunc(b.Contexts, unknown) && !slices.ContainsFunc(b.Bases, unknown)
}

func (b *Build) dependencies() (all []intoto.Resource) {
	add := func(name string, digest v1.Hash) {
		r := intoto.Resource{Name: name}
		if digest != (v1.Hash{}) {
			r.Digest = intoto.Digest(digest)
		}
		all = append(all, r)
	}
	if b.Context != (v1.Hash{}) {
		add("context", b.Context)
	}
	if b.Wheels != (v1.Hash{}) {
		add("wheels", b.Wheels)
	}
	for _, list := range []struct {
		kind   string
		inputs []Input
	}{{"context:", b.Contexts}, {"image:", b.Bases}} {
		inputs := slices.Clone(list.inputs)
		slices.SortFunc(inputs, func(x, y Input) int { return cmp.Compare(x.Name, y.Name) })
		for _, input := range inputs {
			add(list.kind+input.Name, input.Digest)
		}
	}
	return all
}

// Read understands a statement that Statement made; what is left out of Build by others stays empty.
func Read(s *intoto.Statement) (*Build, error) {
	if s.PredicateType != PredicateType {
		return nil, fmt.Errorf("the statement is of type %q, not provenance", s.PredicateType)
	}
	var p predicate
	if err := json.Unmarshal(s.Predicate, &p); err != nil {
		return nil, fmt.Errorf("reading provenance: %w", err)
	}
	d := p.BuildDefinition
	if d.BuildType != BuildType {
		return nil, fmt.Errorf("the box was built by something else: %q", d.BuildType)
	}
	x := d.ExternalParameters
	return &Build{
		Boxfile: x.Boxfile.Name, BoxfileDigest: hash(x.Boxfile), Context: dependency(d, "context"), Wheels: dependency(d, "wheels"),
		Contexts: inputs(d, "context:"), Bases: inputs(d, "image:"),
		Args: x.Args, Target: x.Target, Secrets: x.Secrets, Labels: x.Labels, Annotations: x.Annotations,
		Compression: d.InternalParameters.Compression, Version: p.RunDetails.Builder.Version["boxer"],
	}, nil
}

func hash(r intoto.Resource) v1.Hash {
	if r.Digest["sha256"] == "" {
		return v1.Hash{}
	}
	return v1.Hash{Algorithm: "sha256", Hex: r.Digest["sha256"]}
}

func dependency(d buildDefinition, name string) v1.Hash {
	for _, r := range d.ResolvedDependencies {
		if r.Name == name {
			return hash(r)
		}
	}
	return v1.Hash{}
}

func inputs(d buildDefinition, kind string) (found []Input) {
	for _, r := range d.ResolvedDependencies {
		if len(r.Name) > len(kind) && r.Name[:len(kind)] == kind {
			found = append(found, Input{Name: r.Name[len(kind):], Digest: hash(r)})
		}
	}
	return found
}
