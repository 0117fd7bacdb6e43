package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"boxer.dev/bases"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// Python in a Go program, which lends it one function.
func Example_python() {
	ctx, dir := context.Background(), must(os.MkdirTemp("", "boxer")) // a real program keeps its directory
	defer os.RemoveAll(dir)
	root := must(bases.Open(bases.Python, must(oci.Open(dir)))) // or the Rootfs of another box
	defer root.Close()
	engine := must(runtime.New(ctx, runtime.Options{CacheDir: filepath.Join(dir, "code")}))
	defer engine.Close()
	box := must(engine.Load(root))
	err := box.Run(ctx, &runtime.Cmd{
		Args:   []string{"-c", "import boxer; print(4 * boxer.call('price', item='tea'))"},
		Stdout: os.Stdout,
		Functions: map[string]runtime.Function{
			"price": func(_ context.Context, arguments json.RawMessage) (any, error) {
				var query struct{ Item string }
				err := json.Unmarshal(arguments, &query)
				return map[string]float64{"tea": 2.5}[query.Item], err
			},
		},
	})
	fmt.Println(err)
	// Output:
	// 10.0
	// <nil>
}

// A session keeps its state, and can be forked.
func ExampleBox_Session() {
	ctx, dir := context.Background(), must(os.MkdirTemp("", "boxer"))
	defer os.RemoveAll(dir)
	root := must(bases.Open(bases.Python, must(oci.Open(dir))))
	defer root.Close()
	engine := must(runtime.New(ctx, runtime.Options{}))
	defer engine.Close()
	box := must(engine.Load(root))

	session := must(box.Session(ctx, &runtime.Cmd{Stdout: os.Stdout}))
	defer session.Close()
	must(session.Execute(ctx, "x = [1, 2]\nprint('so far', x)", runtime.Execution{}))
	value := must(session.Execute(ctx, "sum(x)", runtime.Execution{}))
	fmt.Println(value.Repr, string(value.JSON)) // 3 3
	fork := must(session.Fork(ctx))
	defer fork.Close()

	must(fork.Execute(ctx, "x.append(3)", runtime.Execution{}))
	for _, s := range []*runtime.Session{session, fork} {
		fmt.Println(must(s.Execute(ctx, "sum(x)", runtime.Execution{})).Repr)
	}
	fmt.Println(must(session.Execute(ctx, "x / 0", runtime.Execution{})).Exception)
	// Output:
	// so far [1, 2]
	// 3 3
	// 3
	// 6
	// TypeError: unsupported operand type(s) for /: 'list' and 'int'
}
