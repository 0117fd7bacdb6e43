package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

// A box is run like a command of os/exec. This one has no programs of its own but those that every box can count on.
func Example() {
	ctx := context.Background()
	engine, err := runtime.New(ctx, runtime.Options{}) // CacheDir makes the next process start faster
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	box, err := engine.NewBox(vfs.New(), v1.Config{Env: []string{"NAME=box"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	err = box.Run(ctx, &runtime.Cmd{Args: []string{"sh", "-c", "echo hello from a $NAME; exit 3"}, Stdout: os.Stdout})
	var exit *runtime.ExitError
	if errors.As(err, &exit) {
		fmt.Println("it ended with status", exit.Code)
	}
	// Output:
	// hello from a box
	// it ended with status 3
}
