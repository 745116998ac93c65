package dev.mailstead.examples.desk;

import java.time.Duration;
import java.util.Optional;

/** A wait that doubles with each use, and is not shorter than the store asks for. */
final class Backoff {
  private static final Duration FIRST = Duration.ofMillis(200);
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private Duration next = FIRST;

  void sleep(Optional<Duration> asked) throws InterruptedException {
    Thread.sleep(Math.max(next.toMillis(), asked.orElse(Duration.ZERO).toMillis()));
    next = next.multipliedBy(2);
    if (next.compareTo(LONGEST) > 0) {
      next = LONGEST;
    }
  }

  void reset() {
    next = FIRST;
  }
}
