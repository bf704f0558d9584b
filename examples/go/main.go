// Drains the process of one wrapper, waits until it is gone, and says by its exit code how it
// ended: `drain --address unix:///run/process-wrapper/control.sock --timeout 1h`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "drain/gen/process_wrapper/v1"
)

// The exit codes, as those of `process-wrapper shutdown --wait`.
const (
	drained     = 0
	refused     = 1
	usage       = 2
	timedOut    = 3
	unreachable = 4
	failed      = 5
	aborted     = 6
)

var (
	errUnreachable = errors.New("the wrapper cannot be reached")
	errReplaced    = errors.New("another process runs there now, and the exit of the first one is unknown")
)

// wrapper is one wrapper, over one connection at a time.
type wrapper struct {
	connection *grpc.ClientConn
	client     pb.ProcessWrapperClient
	// How long a call is tried again after the connection is lost.
	patience time.Duration
}

func connect(address string, patience time.Duration) (*wrapper, error) {
	target := address
	if rest, tcp := strings.CutPrefix(address, "tcp://"); tcp {
		target = "dns:///" + rest
	}
	connection, err := grpc.NewClient(target,
		// For TLS: credentials.NewTLS. For a token: grpc.WithPerRPCCredentials.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: patience,
		}),
		// A wait of hours notices a machine that has vanished.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	if err != nil {
		return nil, err
	}
	return &wrapper{connection, pb.NewProcessWrapperClient(connection), patience}, nil
}

// retry makes a call that answers at once, and makes it again while the connection is lost.
func (w *wrapper) retry(ctx context.Context, call func(context.Context) (*pb.Process, error)) (*pb.Process, error) {
	patience, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	for {
		process, err := call(patience)
		switch {
		case err == nil:
			return process, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case patience.Err() != nil || status.Code(err) == codes.DeadlineExceeded:
			return nil, fmt.Errorf("%w: %w", errUnreachable, err)
		case status.Code(err) != codes.Unavailable:
			return nil, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-patience.Done():
		}
	}
}

func (w *wrapper) state(ctx context.Context) (*pb.Process, error) {
	answer, err := w.client.GetState(ctx, &pb.GetStateRequest{}, grpc.WaitForReady(true))
	return answer.GetProcess(), err
}

// sameAs fails with errReplaced if another process runs there: a new wrapper may have the address.
func (w *wrapper) sameAs(ctx context.Context, before *pb.Process) error {
	now, err := w.state(ctx)
	if err == nil && (now.GetPid() != before.GetPid() || !proto.Equal(now.GetStartedAt(), before.GetStartedAt())) {
		return errReplaced
	}
	return err
}

// wait is a call that the wrapper answers once the process is gone.
type wait struct {
	stream grpc.ClientStream
	err    error
}

// startWait sends the call and returns before its answer, which a generated method cannot.
func (w *wrapper) startWait(ctx context.Context) wait {
	stream, err := w.connection.NewStream(ctx, &grpc.StreamDesc{}, pb.ProcessWrapper_GetState_FullMethodName)
	if err == nil {
		err = stream.SendMsg(&pb.GetStateRequest{WaitUntil: pb.State_gone})
	}
	return wait{stream, err}
}

func (w wait) end() (*pb.Process, error) {
	if w.err != nil {
		return nil, w.err
	}
	answer := new(pb.GetStateResponse)
	if err := w.stream.RecvMsg(answer); err != nil {
		return nil, err
	}
	return answer.GetProcess(), nil
}

// drain requests the shutdown and returns the facts about the process once it is gone.
func (w *wrapper) drain(ctx context.Context, request *pb.InitiateGracefulShutdownRequest) (*pb.Process, error) {
	before, err := w.retry(ctx, w.state)
	if err != nil {
		return nil, err
	}
	// The wait is sent before the request: a wrapper with `--exit-when-gone` exits with the process,
	// and a later wait would find nothing there.
	waiting := w.startWait(ctx)
	_, err = w.retry(ctx, func(ctx context.Context) (*pb.Process, error) {
		if err := w.sameAs(ctx, before); err != nil {
			return nil, err
		}
		// Idempotent: a second request sends no second signal.
		answer, err := w.client.InitiateGracefulShutdown(ctx, request, grpc.WaitForReady(true))
		return answer.GetProcess(), err
	})
	if errors.Is(err, errUnreachable) || errors.Is(err, errReplaced) {
		// The connection is lost. The wait on it may have seen the end.
		if gone, waitErr := waiting.end(); waitErr == nil {
			return gone, nil
		}
	}
	if err != nil {
		return nil, err
	}
	for {
		gone, err := waiting.end()
		switch {
		case err == nil:
			return gone, nil
		case status.Code(err) != codes.Unavailable:
			return nil, err
		}
		// The connection is lost, and the process may be alive.
		_, err = w.retry(ctx, func(ctx context.Context) (*pb.Process, error) {
			return nil, w.sameAs(ctx, before)
		})
		if err != nil {
			return nil, err
		}
		waiting = w.startWait(ctx)
	}
}

// code is the exit code for a process that is gone.
func code(process *pb.Process) int {
	switch process.GetOutcome() {
	case pb.Process_drained:
		return drained
	case pb.Process_aborted, pb.Process_killed:
		return aborted
	case pb.Process_failed, pb.Process_lost:
		return failed
	}
	// It was not asked to stop, or the wrapper is older than outcomes.
	if process.ExitCode != nil && process.GetExitCode() == 0 {
		return drained
	}
	return failed
}

func main() {
	address := flag.String("address", os.Getenv("PROCESS_WRAPPER_ADDRESS"), "unix:///PATH or tcp://HOST:PORT (default: $PROCESS_WRAPPER_ADDRESS)")
	timeout := flag.Duration("timeout", time.Hour, "how long to wait for the end")
	forceAfter := flag.Duration("force-after", 0, "time until the abort; 0: no deadline from here")
	patience := flag.Duration("connect-timeout", 5*time.Second, "how long to try again without a connection")
	flag.Parse()
	if *address == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "name a wrapper with --address, and nothing else")
		os.Exit(usage)
	}
	os.Exit(run(*address, *timeout, *forceAfter, *patience))
}

func run(address string, timeout, forceAfter, patience time.Duration) int {
	w, err := connect(address, patience)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", address, err)
		return usage
	}
	defer w.connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request := new(pb.InitiateGracefulShutdownRequest)
	if forceAfter > 0 {
		request.ForceAfter = durationpb.New(forceAfter)
	}
	gone, err := w.drain(ctx, request)
	switch {
	case err == nil:
		fmt.Printf("pid %d is %s: %s\n", gone.GetPid(), gone.GetState(), gone.GetOutcome())
		return code(gone)
	case errors.Is(err, errUnreachable):
		fmt.Fprintf(os.Stderr, "%s: %v\n", address, err)
		return unreachable
	// The wrapper keeps the deadline of a call as well, and may notice it first.
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		fmt.Fprintf(os.Stderr, "%s: the process is not gone after %v\n", address, timeout)
		return timedOut
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", address, err)
		return refused
	}
}
