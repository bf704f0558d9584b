// A stand-in for GitLab Runner: the same reactions to signals, with the same faults.
//
// It owns its jobs, which are timers, and never talks to a coordinator.
//
//   - One unbuffered channel takes QUIT, TERM and INT. Go drops a signal for which no goroutine
//     receives, so one that arrives within -deaf of the first is lost.
//   - QUIT drains: the jobs finish, and it exits with 0.
//   - TERM or INT aborts: the jobs fail, it cleans up, and exits with 0 as well.
//   - Any of the three during the clean-up makes it exit with 1 at once, without cleaning up.
//   - HUP reloads.
//   - Until the file -boot-until exists no handler is installed. QUIT then ends it by Go's own
//     handler, with code 2 and a dump of all goroutines.
//
// USR1 is for tests: it ends the jobs, or the clean-up, at once.
//
// As `run --config FILE` it writes what the real one writes: its identity beside the configuration,
// and a file in the directory for temporary files, where the real one keeps the logs of jobs.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	boot    = flag.String("boot-until", "", "file that must exist before the handlers are installed")
	deaf    = flag.Duration("deaf", 5*time.Millisecond, "time after the first signal in which none is received")
	length  = flag.Duration("job", time.Hour, "duration of a job")
	cleanUp = flag.Duration("clean-up", 0, "duration of the clean-up of an abort")
	count   = flag.Int("jobs", 2, "number of running jobs")
	listen  = flag.String("listen", "", "address of the HTTP listener")

	running atomic.Int64
	state   atomic.Value
)

func main() {
	flag.Parse()
	state.Store("starting")
	if *listen != "" {
		serve(*listen)
	}
	if flag.Arg(1) == "--config" {
		writeFiles(flag.Arg(2))
	}
	fmt.Println("starting")
	for *boot != "" {
		if _, err := os.Stat(*boot); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}

	// Unbuffered, as the real one. `go vet` calls it a misuse, and is right.
	stop := make(chan os.Signal)
	signal.Notify(stop, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGINT)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	hurry := make(chan os.Signal, 1)
	signal.Notify(hurry, syscall.SIGUSR1)
	go func() {
		for range reload {
			fmt.Println("reloaded")
		}
	}()
	running.Store(int64(*count))
	finished := make(chan struct{})
	time.AfterFunc(*length, func() {
		running.Store(0)
		close(finished)
	})
	go reportReceiving("ready", "chan receive")

	got := <-stop
	fmt.Println("received", got)
	time.Sleep(*deaf)
	fmt.Println("receiving again")
	if got == syscall.SIGQUIT && drain(stop, hurry, finished) {
		fmt.Println("drained")
		os.Exit(0)
	}
	abort(stop, hurry)
}

// Reads the configuration and writes the files that belong to it.
func writeFiles(config string) {
	if _, err := os.ReadFile(config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	identity := filepath.Join(filepath.Dir(config), ".runner_system_id")
	known, err := os.ReadFile(identity)
	if err != nil {
		known = fmt.Appendf(nil, "r_%d", time.Now().UnixNano())
		err = os.WriteFile(identity, known, 0o600)
	}
	fmt.Printf("identity %s, error %v\n", known, err)
	trace, err := os.CreateTemp("", "trace")
	if err == nil {
		os.Remove(trace.Name())
	}
	fmt.Println("job log, error", err)
}

// Prints a line once the main goroutine waits for signals: one that comes before is dropped, too.
func reportReceiving(line, waits string) {
	stacks := make([]byte, 1<<16)
	for !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "goroutine 1 ["+waits) {
		time.Sleep(time.Millisecond)
	}
	state.CompareAndSwap("starting", "running")
	fmt.Println(line)
}

// Reports whether the jobs finished before a signal aborted them.
func drain(stop, hurry <-chan os.Signal, finished <-chan struct{}) bool {
	state.Store("graceful-shutdown")
	fmt.Println("draining")
	for running.Load() > 0 {
		select {
		case <-finished:
		case <-hurry:
			running.Store(0)
		case got := <-stop:
			fmt.Println("received", got)
			if got != syscall.SIGQUIT {
				return false
			}
		}
	}
	return true
}

// Fails the jobs and cleans up, unless another signal cuts that short.
func abort(stop, hurry <-chan os.Signal) {
	state.Store("forceful-shutdown")
	fmt.Println("aborting")
	go reportReceiving("cleaning up", "select")
	select {
	case <-time.After(*cleanUp):
	case <-hurry:
	case got := <-stop:
		fmt.Println("received", got, "in the clean-up")
		os.Exit(1)
	}
	fmt.Println(running.Swap(0), "jobs failed")
	os.Exit(0)
}

// Serves the runner's metrics, and its readiness: 503 until the handler is installed.
func serve(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	fmt.Println("listening on", listener.Addr())
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "# TYPE gitlab_runner_jobs gauge")
		// The real gauge is absent without a job.
		if jobs := running.Load(); jobs > 0 {
			fmt.Fprintf(w, "gitlab_runner_jobs{executor_stage=\"\",runner=\"standin\",stage=\"step_script\",state=\"running\"} %d\n", jobs)
		}
		fmt.Fprintln(w, "# TYPE gitlab_runner_process_state_info gauge")
		fmt.Fprintf(w, "gitlab_runner_process_state_info{state=%q} 1\n", state.Load())
	})
	http.HandleFunc("/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if state.Load() == "starting" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	go http.Serve(listener, nil)
}
