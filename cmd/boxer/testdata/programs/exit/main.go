// Command exit ends with the status it is given.
package main

import (
	"os"
	"strconv"
)

func main() {
	status, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	os.Exit(status)
}
