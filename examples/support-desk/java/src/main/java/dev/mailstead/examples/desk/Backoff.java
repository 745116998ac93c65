package dev.mailstead.examples.desk;

import java.time.Duration;
import java.util.Optional;

/** A wait that doubles with each use, unless the store has named a time. */
final class Backoff {
  private static final Duration FIRST = Duration.ofMillis(200);
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private Duration next = FIRST;

  void sleep(Optional<Duration> asked) throws InterruptedException {
    Thread.sleep(asked.orElse(next).toMillis());
    next = next.multipliedBy(2);
    if (next.compareTo(LONGEST) > 0) {
      next = LONGEST;
    }
  }

  void reset() {
    next = FIRST;
  }
}
