package capability_test

import (
	"fmt"
	"time"

	"boxer.dev/runtime/capability"
)

// A box was built to live with 64 MiB; whoever runs it gives it more memory, and ten seconds.
func ExampleLimits_Narrow() {
	box := capability.Limits{Memory: 64 << 20}
	runner := capability.Limits{Memory: 256 << 20, Timeout: 10 * time.Second}
	fmt.Println(runner.Narrow(box))
	// Output: memory=64M timeout=10s
}

func ExampleRequests_Check() {
	asked, err := capability.FromLabels(map[string]string{capability.AllowLabel: "mount=/data:ro env=TOKEN,optional"})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(asked.Check(capability.Grants{Env: []string{"HOME"}}))
	fmt.Println(asked.Check(capability.Grants{Mounts: []capability.Mounted{{Path: "/data"}}}))
	// Output:
	// the box needs files of the host at /data
	// <nil>
}
