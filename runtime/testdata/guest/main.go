// Command guest is what the tests run in boxes: its first argument names what it does.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("hello")
		return
	}
	act, ok := acts[os.Args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "no act %q\n", os.Args[1])
		os.Exit(99)
	}
	if err := act(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var acts = map[string]func(args []string) error{
	"args": func([]string) error {
		fmt.Printf("%q\n", os.Args)
		return nil
	},
	"env": func([]string) error {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return nil
	},
	"exit": func(args []string) error {
		code, err := strconv.Atoi(args[0])
		if err == nil {
			os.Exit(code)
		}
		return err
	},
	"echo": func([]string) error {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	},
	"cat": func(args []string) error {
		data, err := os.ReadFile(args[0])
		if err == nil {
			_, err = os.Stdout.Write(data)
		}
		return err
	},
	"write": func(args []string) error { return os.WriteFile(args[0], []byte(args[1]), 0o666) },
	"ls": func(args []string) error {
		entries, err := os.ReadDir(args[0])
		for _, entry := range entries {
			fmt.Println(entry.Name())
		}
		return err
	},
	"stat": func(args []string) error {
		info, err := os.Stat(args[0])
		if err == nil {
			fmt.Println(info.Mode())
		}
		return err
	},
	"now": func([]string) error {
		fmt.Println(time.Now().UTC().Format(time.RFC3339))
		return nil
	},
	"spin": func([]string) error {
		for {
		}
	},
	"sleep": func([]string) error {
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
		return nil
	},
	"ping": func([]string) error { // a line out for each line in, at once
		line := make([]byte, 64)
		for {
			n, err := os.Stdin.Read(line)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			os.Stdout.Write(line[:n])
		}
	},
	"open": func(args []string) error { // the file, as often as can be
		for n := 0; ; n++ {
			file, err := os.Open(args[0])
			if err != nil {
				fmt.Println(n, err)
				return nil
			}
			defer file.Close()
		}
	},
	"symlink": func(args []string) error { return os.Symlink(args[0], args[1]) },
	"panic":   func([]string) error { panic("on purpose") },
	"memory": func([]string) error {
		pages := make([]byte, 64<<20)
		for i := 0; i < len(pages); i += 4096 {
			pages[i] = 1
		}
		return nil
	},
}
