package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestHintStaysBesideTheError(t *testing.T) {
	err := fmt.Errorf("building: %w", To(fs.ErrNotExist, "create %s", "it"))
	if err.Error() != "building: file does not exist" {
		t.Errorf("the error says %q", err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the error's cause is lost")
	}
	var hinted *Error
	if !errors.As(err, &hinted) || hinted.Hint() != "create it" {
		t.Errorf("the hint is %v", hinted)
	}
}
