package rival

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Driver is a process that has a rival loaded. It reads requests, a line of JSON each, and answers each with a line.
type Driver struct {
	process *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Reader
	trouble *strings.Builder
}

// Verbs of requests.
const (
	Fresh = "fresh" // run the text in a sandbox of its own that has run nothing yet
	Keep  = "keep"  // run the text in a sandbox that stays, and knows what earlier ones have left
	Hold  = "hold"  // have one more sandbox that stays and has run the text
)

// pythonDriver is what drivers of Python packages begin with; they end with serve(fresh, keep, hold).
const pythonDriver = `
import json, os, sys

def serve(**verbs):
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = {"out": verbs[ask["do"]](ask["code"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # sandboxes that are held are not asked how they want to end
`

// nodeDriver is what drivers in JavaScript begin with; they end with serve({fresh, keep, hold}).
const nodeDriver = `
import {createInterface} from "node:readline";

async function serve(verbs) {
  for await (const line of createInterface({input: process.stdin})) {
    const ask = JSON.parse(line);
    let answer;
    try {
      answer = {out: await verbs[ask.do](ask.code)};
    } catch (error) {
      answer = {error: String(error)};
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
  process.exit(0);
}
`

// Drive starts the rival's driver. It has to be closed.
func (r *Rival) Drive(ctx context.Context) (*Driver, error) {
	if r.Driver == nil {
		return nil, fmt.Errorf("%s has no driver", r.Name)
	}
	d := &Driver{process: exec.CommandContext(ctx, r.Driver[0], r.Driver[1:]...), trouble: &strings.Builder{}}
	d.process.Env = append(os.Environ(), r.Env...)
	d.process.Stderr = d.trouble
	d.process.WaitDelay = patience // what a driver has started may have its standard error
	var err error
	if d.stdin, err = d.process.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := d.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.answers = bufio.NewReader(stdout)
	if err := d.process.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", r.Name, err)
	}
	return d, nil
}

// Ask has a text run, and gives what it printed and how long it took until that was known.
func (d *Driver) Ask(verb, code string) (out string, took time.Duration, err error) {
	request, err := json.Marshal(map[string]string{"do": verb, "code": code})
	if err != nil {
		return "", 0, err
	}
	start := time.Now()
	if _, err := d.stdin.Write(append(request, '\n')); err != nil {
		return "", 0, fmt.Errorf("asking: %w\n%s", err, d.trouble)
	}
	timer := time.AfterFunc(longest, func() { d.process.Process.Kill() })
	line, err := d.answers.ReadBytes('\n')
	took = time.Since(start)
	if !timer.Stop() {
		return "", took, fmt.Errorf("no answer within %s", longest)
	}
	if err != nil {
		return "", took, fmt.Errorf("reading an answer: %w\n%s", err, d.trouble)
	}
	var answer struct{ Out, Error string }
	if err := json.Unmarshal(line, &answer); err != nil {
		return "", took, fmt.Errorf("reading the answer %q: %w", line, err)
	}
	if answer.Error != "" {
		return "", took, errors.New(firstLine(answer.Error))
	}
	return answer.Out, took, nil
}

// Process is the number of the driver's process.
func (d *Driver) Process() int { return d.process.Process.Pid }

// Close ends the driver.
func (d *Driver) Close() error {
	d.stdin.Close()
	timer := time.AfterFunc(patience, func() { d.process.Process.Kill() })
	defer timer.Stop()
	_ = d.process.Wait() // it has answered all that it was asked
	return nil
}

// longest is how long an answer may take. Whoever takes longer is not measured.
const longest = time.Minute

// patience is how long a process has to end that has nothing to do any more.
const patience = 5 * time.Second

func firstLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
