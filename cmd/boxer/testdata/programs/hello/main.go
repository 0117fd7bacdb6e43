// Command hello prints its arguments, its environment and its directory.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("hello from a box", os.Args[1:])
	for _, variable := range os.Environ() {
		fmt.Println(variable)
	}
}
