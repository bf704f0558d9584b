// A user of grpc-java over Netty: drains a wrapper with messages written by hand and no option of
// the channel, so that :authority is what grpc-java chooses.
//
// Takes the target (`unix:///PATH` or `HOST:PORT`) and, for mutual TLS, the files of the authority,
// the certificate and its key. Prints `draining` once the process is shutting down, and `all is
// well` at the end. Fails by an exception.

import io.grpc.CallOptions;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

final class Client {
    private static final String SERVICE = "process_wrapper.v1.ProcessWrapper/";
    private static final byte RUNNING = 1, SHUTTING_DOWN = 2, GONE = 3;
    private static final byte[] NOTHING = {}, SERVING = {8, 1}, NOT_SERVING = {8, 2};
    private static final byte[] PROCESS = {10, 7, 'p', 'r', 'o', 'c', 'e', 's', 's'};

    private final ManagedChannel channel;

    private Client(ManagedChannel channel) {
        this.channel = channel;
    }

    public static void main(String[] arguments) throws Exception {
        ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], credentials(arguments)).build();
        try {
            new Client(channel).drain();
        } finally {
            channel.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
        }
        System.out.println("all is well");
    }

    private static ChannelCredentials credentials(String[] arguments) throws IOException {
        if (arguments.length == 1) {
            return InsecureChannelCredentials.create();
        }
        return TlsChannelCredentials.newBuilder()
                .trustManager(new File(arguments[1]))
                .keyManager(new File(arguments[2]), new File(arguments[3]))
                .build();
    }

    private void drain() throws Exception {
        check(state(getState(NOTHING, 20_000).get()) == RUNNING, "running");
        check(code(getState(waitUntil(GONE), 50)) == Status.Code.DEADLINE_EXCEEDED, "a deadline");
        check(code(getState(waitUntil((byte) 9), 20_000)) == Status.Code.INVALID_ARGUMENT, "9");
        Iterator<byte[]> watch = ClientCalls.blockingServerStreamingCall(
                channel, method("grpc.health.v1.Health/Watch", MethodDescriptor.MethodType.SERVER_STREAMING),
                deadline(20_000), PROCESS);
        check(Arrays.equals(watch.next(), SERVING), "serving");

        Future<byte[]> started = getState(waitUntil(SHUTTING_DOWN), 20_000);
        Future<byte[]> waiting = getState(waitUntil(GONE), 20_000);
        byte[] answer = call(SERVICE + "InitiateGracefulShutdown", NOTHING, 20_000).get();
        check(state(answer) == SHUTTING_DOWN, "the answer to the request");
        check(state(started.get()) == SHUTTING_DOWN, "shutting down");
        check(Arrays.equals(watch.next(), NOT_SERVING), "not serving");
        System.out.println("draining");

        check(state(waiting.get()) == GONE, "gone");
        byte[] health = call("grpc.health.v1.Health/Check", PROCESS, 20_000).get();
        check(Arrays.equals(health, NOT_SERVING), "the process is not serving");
        health = call("grpc.health.v1.Health/Check", NOTHING, 20_000).get();
        check(Arrays.equals(health, SERVING), "the server is serving");
    }

    private Future<byte[]> getState(byte[] request, long milliseconds) {
        return call(SERVICE + "GetState", request, milliseconds);
    }

    private Future<byte[]> call(String name, byte[] request, long milliseconds) {
        var method = method(name, MethodDescriptor.MethodType.UNARY);
        return ClientCalls.futureUnaryCall(channel.newCall(method, deadline(milliseconds)), request);
    }

    private static CallOptions deadline(long milliseconds) {
        return CallOptions.DEFAULT.withDeadlineAfter(milliseconds, TimeUnit.MILLISECONDS);
    }

    private static MethodDescriptor<byte[], byte[]> method(String name, MethodDescriptor.MethodType type) {
        return MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(type)
                .setFullMethodName(name)
                .setRequestMarshaller(new Bytes())
                .setResponseMarshaller(new Bytes())
                .build();
    }

    /** GetStateRequest: field 1, a varint. */
    private static byte[] waitUntil(byte state) {
        return new byte[] {8, state};
    }

    /** The state in an answer: field 1 is a message, which begins with field 1, a varint. */
    private static byte state(byte[] answer) {
        int at = answer[1] < 0 ? 3 : 2;
        check(answer[0] == 10 && answer[at] == 8, Arrays.toString(answer));
        return answer[at + 1];
    }

    private static Status.Code code(Future<byte[]> call) throws InterruptedException {
        try {
            call.get();
        } catch (java.util.concurrent.ExecutionException error) {
            return ((StatusRuntimeException) error.getCause()).getStatus().getCode();
        }
        throw new AssertionError("the call did not fail");
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("expected: " + what);
        }
    }

    /** Messages stay bytes. */
    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
        @Override
        public InputStream stream(byte[] message) {
            return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
