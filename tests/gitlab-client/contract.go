// The wire contract, told a second time: not generated from the project's own .proto file, so that a
// mistake there is not repeated here.
package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	packageName = "gitlab_com.gitlab_runner.runner_wrapper"
	serviceName = packageName + ".ProcessWrapper"
)

// The numbers of the enum Status.
const (
	running    = 1
	inShutdown = 2
	stopped    = 3
)

// answer is what all three methods answer with.
type answer struct {
	status        int32
	failureReason string
}

// wrapper calls the three methods.
type wrapper struct {
	conn  *grpc.ClientConn
	types protoreflect.FileDescriptor
}

func newWrapper(conn *grpc.ClientConn) (*wrapper, error) {
	types, err := protodesc.NewFile(contract(), nil)
	if err != nil {
		return nil, fmt.Errorf("the contract is wrong: %w", err)
	}
	return &wrapper{conn: conn, types: types}, nil
}

// call sends an empty request: no deployed tool sends a callback.
func (w *wrapper) call(ctx context.Context, method string) (answer, error) {
	message := func(name string) *dynamicpb.Message {
		return dynamicpb.NewMessage(w.types.Messages().ByName(protoreflect.Name(name)))
	}
	request, response := message(method+"Request"), message(method+"Response")
	err := w.conn.Invoke(ctx, "/"+serviceName+"/"+method, request, response)
	if err != nil {
		return answer{}, err
	}
	if unknown := response.GetUnknown(); len(unknown) > 0 {
		return answer{}, fmt.Errorf("%s answered with fields that the contract does not have: %x", method, unknown)
	}
	fields := response.Descriptor().Fields()
	return answer{
		status:        int32(response.Get(fields.ByNumber(1)).Enum()),
		failureReason: response.Get(fields.ByNumber(2)).String(),
	}, nil
}

func contract() *descriptorpb.FileDescriptorProto {
	field := func(number int32, name string, kind descriptorpb.FieldDescriptorProto_Type, typeName string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name:     proto.String(name),
			JsonName: proto.String(name),
			Number:   proto.Int32(number),
			Type:     kind.Enum(),
			Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if typeName != "" {
			f.TypeName = proto.String("." + packageName + "." + typeName)
		}
		return f
	}
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: proto.String(name), Field: fields}
	}
	response := func(method string) *descriptorpb.DescriptorProto {
		return message(method+"Response",
			field(1, "status", descriptorpb.FieldDescriptorProto_TYPE_ENUM, "Status"),
			field(2, "failureReason", descriptorpb.FieldDescriptorProto_TYPE_STRING, ""),
		)
	}
	value := func(name string, number int32) *descriptorpb.EnumValueDescriptorProto {
		return &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(number)}
	}
	return &descriptorpb.FileDescriptorProto{
		Name:    proto.String("contract.proto"),
		Package: proto.String(packageName),
		Syntax:  proto.String("proto3"),
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name: proto.String("Status"),
			Value: []*descriptorpb.EnumValueDescriptorProto{
				value("unknown", 0), value("running", running), value("in_shutdown", inShutdown), value("stopped", stopped),
			},
		}},
		MessageType: []*descriptorpb.DescriptorProto{
			message("CheckStatusRequest"), response("CheckStatus"),
			message("InitGracefulShutdownRequest"), response("InitGracefulShutdown"),
			message("InitForcefulShutdownRequest"), response("InitForcefulShutdown"),
		},
	}
}
