package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	connectTimeout = 10 * time.Second
	reachTimeout   = 30 * time.Second
	pollInterval   = 50 * time.Millisecond
)

var (
	errNoConnection = errors.New("no connection")
	errNotReached   = errors.New("timed out waiting")
)

// deploy runs the sequence: connect, wait until the runner is healthy, shut it down, wait until it has
// stopped. The first error of a call ends it, as it ends a deployment.
func deploy(way, target string) error {
	method := map[string]string{"graceful": "InitGracefulShutdown", "forceful": "InitForcefulShutdown"}[way]
	if method == "" {
		return fmt.Errorf("no such way to shut down: %q", way)
	}
	ctx := context.Background()
	conn, err := connect(ctx, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	w, err := newWrapper(conn)
	if err != nil {
		return err
	}
	healthy := func(status int32) bool { return status == running }
	if _, err = wait(ctx, w, healthy); err != nil {
		return fmt.Errorf("wait-healthy: %w", err)
	}
	fmt.Println("healthy")
	asked, err := w.call(ctx, method)
	if err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	fmt.Println("asked:", asked.status)
	terminated := func(status int32) bool { return status != running && status != inShutdown }
	end, err := wait(ctx, w, terminated)
	if err != nil {
		return fmt.Errorf("wait-terminated: %w", err)
	}
	fmt.Printf("terminated: %d %q\n", end.status, end.failureReason)
	return nil
}

// connect waits until the connection is ready, on plaintext and through a dialer that takes the target apart
// by itself: the deployer's goes through an SSH tunnel there.
func connect(ctx context.Context, target string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(
		// grpc-go resolves no tcp://, so GitLab's client takes that away as well.
		strings.TrimPrefix(target, "tcp://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dial),
	)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn.Connect()
	for {
		state := conn.GetState()
		if state == connectivity.Ready {
			return conn, nil
		}
		if !conn.WaitForStateChange(ctx, state) {
			conn.Close()
			return nil, fmt.Errorf("%w: %s after %s", errNoConnection, state, connectTimeout)
		}
		conn.Connect()
	}
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, found := strings.CutPrefix(address, "unix:"); found {
		// unix:///absolute, unix:/absolute and unix:relative.
		network, address = "unix", strings.TrimPrefix(path, "//")
	}
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

// wait polls until the status is as wanted.
func wait(ctx context.Context, w *wrapper, wanted func(int32) bool) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		got, err := w.call(ctx, "CheckStatus")
		if err != nil {
			return answer{}, err
		}
		if wanted(got.status) {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return answer{}, errNotReached
		case <-poll.C:
		}
	}
}
