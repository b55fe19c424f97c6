package grpcclient;

import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.util.concurrent.TimeUnit;

/** A gRPC client that finds its servers by xDS. */
public final class Main {
  public static void main(String[] arguments) throws IOException {
    System.setProperty("io.grpc.xds.bootstrapConfig", bootstrap(arguments[1]));
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[2], InsecureChannelCredentials.create()).build();
    MethodDescriptor<byte[], byte[]> method =
        MethodDescriptor.<byte[], byte[]>newBuilder()
            .setType(MethodDescriptor.MethodType.UNARY)
            .setFullMethodName("syncline.Test/Port")
            .setRequestMarshaller(new Bytes())
            .setResponseMarshaller(new Bytes())
            .build();
    System.out.println("ready");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    while (lines.readLine() != null) {
      CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(20, TimeUnit.SECONDS);
      try {
        byte[] answer = ClientCalls.blockingUnaryCall(channel, method, options, new byte[0]);
        System.out.println(new String(answer));
      } catch (StatusRuntimeException error) {
        System.out.println("failed: " + error.getMessage().replace('\n', ' '));
      }
    }
    channel.shutdownNow();
  }

  private static String bootstrap(String plane) {
    return "{\"xds_servers\":[{\"server_uri\":\""
        + plane
        + "\",\"channel_creds\":[{\"type\":\"insecure\"}],\"server_features\":[\"xds_v3\"]}],"
        + "\"node\":{\"id\":\"grpc-java-client\"}}";
  }

  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try {
        for (int next = stream.read(); next >= 0; next = stream.read()) {
          bytes.write(next);
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return bytes.toByteArray();
    }
  }

  private Main() {}
}
