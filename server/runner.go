package server

import (
	"context"
	"net/http"

	"boxer.dev/runtime"
)

// The route POST /run is that of the server "runner" (github.com/ErikKaum/runner), whose clients find here what they know: what a
// program writes to its two streams in one text, and whether it failed.

type runnerRequest struct {
	Code *string `json:"code"`
}

type runnerAnswer struct {
	Result runnerResult `json:"res"`
}

type runnerResult struct {
	Status string `json:"status"` // "Ok" or "Error"
	Output string `json:"output"`
}

func (s *Server) postRunner(w http.ResponseWriter, r *http.Request) error {
	var ask runnerRequest
	body, err := s.readJSON(w, r, &ask, true)
	if err != nil {
		return err
	}
	if ask.Code == nil {
		return newProblem(http.StatusUnprocessableEntity, "no_code", `the request has to be {"code": "..."}`)
	}
	run := runRequest{Code: ask.Code, ID: requestID(r)}
	command, err := run.command(s.options.Limits)
	if err != nil {
		return err
	}
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		output := &buffer{}
		command.Stdout, command.Stderr = output, output
		unbuffered(command) // what it writes to the two keeps its order
		result, err := s.run(ctx, r, &run, command)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, runnerAnswer{newRunnerResult(result.Result, output.take())}, nil
	})
}

// newRunnerResult has the message of an end that the program did not write about itself below what it wrote.
func newRunnerResult(result runtime.Result, output []byte) runnerResult {
	answer := runnerResult{Status: "Error", Output: text(output)}
	switch {
	case result.Outcome == runtime.OutcomeOK:
		answer.Status = "Ok"
	case result.Outcome != runtime.OutcomeExit && result.Message != "":
		answer.Output += result.Message + "\n"
	}
	return answer
}
