package bench

import (
	"fmt"
	"math"
)

// cpuSection sums up how long each program took on each side, round by round: in boxer's forms, and on boxer again and on others.
func cpuSection(own []*side, again *side, others []*side) (*Section, error) {
	s := &Section{Name: "cpu", Title: "Computing", How: []string{
		fmt.Sprintf("Processor time of %d Python programs that take turns everywhere; each interpreter stays for all of them.", len(programs)),
		"The first two rounds are not counted. Multiples are medians over pairs of neighbours; means over programs are geometric.",
		"boxer's forms take turns among themselves, then the usual one does with others.",
	}}
	ratios := make([][]Sample, len(others))
	for i, side := range others {
		var err error
		if ratios[i], err = side.over(again); err != nil {
			return nil, err
		}
	}
	var overPlain [forms][]Sample
	for form, side := range own {
		var err error
		if overPlain[form], err = side.over(own[plain]); err != nil {
			return nil, err
		}
	}
	s.add(Line{Key: "stoppable_over_plain", What: "programs against such as cannot be stopped", Unit: "×", Goal: "≤ 1.05",
		Figure: figure(geometricMeans(overPlain[boxer]))})
	s.add(Line{Key: "fuel_over_plain", What: "programs charged for instructions", Unit: "×", Goal: "≤ 1.10",
		Figure: figure(geometricMeans(overPlain[fuelled]))})
	s.add(Line{Key: "counting_over_plain", What: "programs that count in order to be stopped, as on other systems", Unit: "×",
		Figure: figure(geometricMeans(overPlain[counting]))})
	native := Line{Key: "boxer_over_python3", What: "programs against the host's Python", Unit: "×"}
	for i, side := range others {
		if side.key == "python3" && len(ratios[i]) > 0 {
			native.Figure = figure(inverse(geometricMeans(ratios[i])))
		}
	}
	if native.Figure != nil {
		s.add(native)
	} else {
		s.lacks(native, "the host has no python3")
	}
	s.Comparisons = []Comparison{cpuMeans(again, others, ratios)}
	s.Grids = []Grid{cpuGrid(own, again, others)}
	return s, nil
}

// over divides what each program took by what it took elsewhere, where it ran at all.
func (s *side) over(other *side) (ratios []Sample, err error) {
	for p, took := range s.took {
		if len(took) == 0 {
			continue
		}
		ratio, err := Sample(took).Over(other.took[p])
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, ratio)
	}
	return ratios, nil
}

func inverse(s Sample) Sample {
	inverse := make(Sample, len(s))
	for i := range s {
		inverse[i] = 1 / s[i]
	}
	return inverse
}

// cpuMeans compares the geometric means of rivals.
func cpuMeans(again *side, others []*side, ratios [][]Sample) Comparison {
	c := Comparison{Key: "programs_over_boxer", What: "Programs, geometric mean of multiples of boxer's time", Unit: "×"}
	c.Entries = append(c.Entries, Entry{Who: "boxer", Figure: &Figure{1, 1, 1, len(again.took[0])}})
	for i, side := range others {
		e := Entry{Who: side.key, Missing: side.gone}
		ran := ratios[i]
		switch {
		case side.gone != "":
		case len(ran) == 0:
			e.Missing = side.missing[0]
		default:
			e.Figure = figure(geometricMeans(ran))
			if len(ran) < len(side.took) {
				e.Note = fmt.Sprintf("%d of %d programs", len(ran), len(side.took))
			}
		}
		c.Entries = append(c.Entries, e)
	}
	return c
}

// cpuGrid has a row for each program: boxer's time, and multiples of it.
func cpuGrid(own []*side, again *side, others []*side) Grid {
	g := Grid{Key: "workloads", What: "Programs: boxer's milliseconds, others as multiples of that", Columns: []Column{{"boxer_us", "boxer, ms", 1e-3}}}
	g.Columns = append(g.Columns, Column{Key: "plain_over_boxer", What: "unstoppable"},
		Column{Key: "counting_over_boxer", What: "counting"}, Column{Key: "fuel_over_boxer", What: "fuel"})
	for _, side := range others {
		if side.gone == "" {
			g.Columns = append(g.Columns, Column{Key: side.key, What: side.key})
		}
	}
	for p, program := range programs {
		row := Row{Name: program.name, Figures: []*Figure{figure(Sample(again.took[p]))}}
		for _, side := range own[plain:] {
			row.Figures = append(row.Figures, multiple(side.took[p], own[boxer].took[p]))
		}
		for _, side := range others {
			if side.gone == "" {
				row.Figures = append(row.Figures, multiple(side.took[p], again.took[p]))
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// multiple is nil if there is nothing to compare.
func multiple(took, of []float64) *Figure {
	pairs, err := Sample(took).Over(of)
	if err != nil {
		return nil
	}
	return figure(pairs)
}

// geometricMeans gives the mean of the first measurements of all samples, of the second ones, and so on. The samples are of
// one length.
func geometricMeans(samples []Sample) (means Sample) {
	if len(samples) == 0 {
		return nil
	}
	for i := range samples[0] {
		sum := 0.0
		for _, s := range samples {
			sum += math.Log(s[i])
		}
		means = append(means, math.Exp(sum/float64(len(samples))))
	}
	return means
}
