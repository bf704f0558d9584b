// A client that does to a wrapper what GitLab's deployer does, and a witness of how Go writes durations and
// the ends of processes. It stands on the grpc-go of GitLab's own client, not on that client: module
// proxies do not all have it.
//
//	gitlab-client deploy graceful|forceful TARGET
//	gitlab-client durations TEXT...
//	gitlab-client signals
//	gitlab-client reason SCRIPT
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("name a command"))
	}
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "deploy":
		if len(arguments) != 2 {
			fail(errors.New("deploy takes a way and a target"))
		}
		err := deploy(arguments[0], arguments[1])
		if errors.Is(err, errNoConnection) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if errors.Is(err, errNotReached) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		if err != nil {
			fail(err)
		}
	case "durations":
		for _, text := range arguments {
			duration, err := time.ParseDuration(text)
			if err != nil {
				fmt.Println("refused")
			} else {
				fmt.Println(duration.Nanoseconds())
			}
		}
	case "signals":
		for number := 1; number <= 64; number++ {
			fmt.Println(syscall.Signal(number))
		}
	case "reason":
		if err := exec.Command("sh", "-c", arguments[0]).Run(); err != nil {
			fmt.Println(err)
		}
	default:
		fail(fmt.Errorf("no such command: %q", os.Args[1]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
