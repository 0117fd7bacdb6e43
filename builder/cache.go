package builder

import "context"

// change carries out what an instruction does to the stage's files. key stands for all that the outcome follows from.
func (s *stage) change(_ context.Context, _ seed, createdBy string, carryOut func() (*madeLayer, error)) error {
	layer, err := carryOut()
	if err != nil {
		return err
	}
	return s.add(layer, createdBy)
}
