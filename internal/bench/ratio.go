package bench

import "encoding/json"

// Ratio says how many times as much one side takes as the other, as the median over pairs of neighbours.
type Ratio struct {
	Figure
	Withheld string // why the number is not told; "" if it is
}

// leastPairs is how many pairs a ratio needs: quartiles of fewer say nothing about spread.
const leastPairs = 3

// ratio compares samples taken in turns. It is withheld where the spread swallows it: quartiles on both sides of one leave
// open which side takes more.
func ratio(of, over Sample) (*Ratio, error) {
	pairs, err := of.Over(over)
	if err != nil {
		return nil, err
	}
	r := &Ratio{Figure: pairs.Figure()}
	switch {
	case len(pairs) < leastPairs:
		r.Withheld = "too few pairs"
	case r.Lower < 1 && r.Upper > 1:
		r.Withheld = "within the spread"
	}
	return r, nil
}

// exact is a ratio of counts, which have no spread.
func exact(of, over float64) *Ratio {
	return &Ratio{Figure: Sample{of / over}.Figure()}
}

// MarshalJSON leaves the median of a ratio out that is withheld; its quartiles tell why.
func (r *Ratio) MarshalJSON() ([]byte, error) {
	out := map[string]any{"median": r.Median, "q1": r.Lower, "q3": r.Upper, "n": r.Count}
	if r.Withheld != "" {
		out["median"], out["withheld"] = nil, r.Withheld
	}
	return json.Marshal(out)
}

// String is the ratio as people read it.
func (r *Ratio) String() string {
	if r.Withheld != "" {
		return r.Withheld
	}
	return short(r.Median) + " ×"
}

// taken is a contender's sample, or why there is none.
type taken struct {
	who     string
	sample  Sample
	missing string
}

// compare fills a comparison with samples taken in turns, of which the first is boxer's.
func compare(c Comparison, contenders []taken) (Comparison, error) {
	for i, t := range contenders {
		e := Entry{Who: t.who, Missing: t.missing}
		if t.missing == "" {
			e.Figure = figure(t.sample)
			if i > 0 {
				r, err := ratio(t.sample, contenders[0].sample)
				if err != nil {
					return c, err
				}
				e.Ratio = r
			}
		}
		c.Entries = append(c.Entries, e)
	}
	return c, nil
}
