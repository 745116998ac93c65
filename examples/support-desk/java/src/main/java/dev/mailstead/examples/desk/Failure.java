package dev.mailstead.examples.desk;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Optional;

/**
 * What an error of the store says.
 *
 * @param code its code
 * @param reason its reason, or empty
 * @param pause how long to wait before the same call is made again, where the store says so
 * @param message the same for people
 */
record Failure(Status.Code code, String reason, Optional<Duration> pause, String message) {
  private static final Duration LONGEST_ASKED = Duration.ofMinutes(5);

  static Failure of(StatusRuntimeException error) {
    String reason = "";
    Optional<Duration> pause = Optional.empty();
    com.google.rpc.Status all = StatusProto.fromThrowable(error);
    if (all != null) {
      try {
        for (Any detail : all.getDetailsList()) {
          if (detail.is(ErrorInfo.class)) {
            reason = detail.unpack(ErrorInfo.class).getReason();
          } else if (detail.is(RetryInfo.class)) {
            com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
            pause = Optional.of(Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
          }
        }
      } catch (InvalidProtocolBufferException malformed) {
        // Its code is what there is to go by.
      }
    }
    String message = error.getStatus().getDescription();
    return new Failure(error.getStatus().getCode(), reason, pause, message == null ? "" : message);
  }

  /** Whether the same call may succeed without anybody having done something (docs/store-api-errors.md). */
  boolean mayBeRepeated() {
    return switch (code) {
      case CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE -> true;
      default -> pause.isPresent() && pause.get().compareTo(LONGEST_ASKED) <= 0;
    };
  }

  @Override
  public String toString() {
    return code + " " + reason + ": " + message;
  }
}
