// GetState on grpc-go, as a peer for the benchmarks: `bench PORT`. The answer is a message of the
// wrapper's bytes, so that neither side needs generated code.
package main

import (
	"context"
	"encoding/hex"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

func handler(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	request := new(emptypb.Empty)
	if err := decode(request); err != nil {
		return nil, err
	}
	response := new(emptypb.Empty)
	if err := proto.Unmarshal(wire, response); err != nil {
		return nil, err
	}
	return response, nil
}

// The wrapper's answer. Empty keeps unknown fields, so that protobuf's decoder and encoder both work.
var wire []byte

func main() {
	// { process: { state: running, pid: 4242, program: "sleep", started_at: { seconds: 1790000000, nanos: 1 } } }
	var err error
	wire, err = hex.DecodeString("0a16" + "0801" + "109221" + "1a05736c656570" + "2208" + "0880bbc5d50610" + "01")
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "process_wrapper.v1.ProcessWrapper",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "GetState", Handler: handler}},
	}, struct{}{})
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}
