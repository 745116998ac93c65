package dev.mailstead.examples.desk;

import io.grpc.CallCredentials;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** A support desk on Mailstead: makes a ticket of each message in a mailbox, answers it and deletes it. */
public final class Main {
  private Main() {}

  /** Goes with each call. */
  private static final class Key extends CallCredentials {
    private final Metadata headers = new Metadata();

    Key(String secret) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + secret);
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
      applier.apply(headers);
    }
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  private static ManagedChannel connect() throws IOException {
    String authority = System.getenv("DESK_CA_FILE");
    ChannelCredentials credentials =
        authority == null
            ? InsecureChannelCredentials.create()
            : TlsChannelCredentials.newBuilder().trustManager(new File(authority)).build();
    return Grpc.newChannelBuilder(setting("DESK_STORE", "127.0.0.1:7070"), credentials)
        // So that a store that vanished without a word is missed.
        .keepAliveTime(1, TimeUnit.MINUTES)
        .build();
  }

  public static void main(String[] arguments) {
    try {
      String key = Files.readString(Path.of(setting("DESK_KEY_FILE", "desk.key"))).strip();
      new Desk(connect(), new Key(key), setting("DESK_ACCOUNT", "support@example.test"),
              Path.of(setting("DESK_FOLDER", "tickets")))
          .run();
    } catch (StatusRuntimeException failed) {
      System.err.println("desk: " + Failure.of(failed));
      System.exit(1);
    } catch (IOException | InterruptedException failed) {
      System.err.println("desk: " + failed);
      System.exit(1);
    }
  }
}
